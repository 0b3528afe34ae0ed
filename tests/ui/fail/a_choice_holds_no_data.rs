use linchpin::prelude::*;

#[fields]
pub enum State {
    Open,
    Closed(String),
}

fn main() {}
