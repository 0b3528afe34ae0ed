use linchpin::prelude::*;

#[fields]
pub enum State {
    Open,
    #[field(rename = "open")]
    Opened,
}

fn main() {}
