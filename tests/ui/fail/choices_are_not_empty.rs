use linchpin::prelude::*;

#[fields]
pub enum State {}

fn main() {}
