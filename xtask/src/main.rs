//! This workspace's own tasks.

fn main() {}
