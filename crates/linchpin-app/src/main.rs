//! The `linchpin` binary.

fn main() {}
