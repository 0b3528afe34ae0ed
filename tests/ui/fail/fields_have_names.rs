use linchpin::prelude::*;

#[fields]
pub struct Point(u8, u8);

fn main() {}
