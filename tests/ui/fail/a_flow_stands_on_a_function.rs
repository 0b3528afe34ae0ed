use linchpin::prelude::*;

#[action(read)]
struct GetIssue;

fn main() {}
