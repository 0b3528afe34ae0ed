use linchpin::prelude::*;

#[fields]
pub struct Page<T> {
    pub items: Vec<T>,
}

fn main() {}
