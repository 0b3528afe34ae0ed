use linchpin::prelude::*;

#[fields]
pub union Either {
    a: u8,
    b: i8,
}

fn main() {}
