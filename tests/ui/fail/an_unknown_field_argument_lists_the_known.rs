use linchpin::prelude::*;

#[fields]
pub struct Issue {
    #[field(requierd)]
    pub title: String,
}

fn main() {}
