use linchpin::prelude::*;

#[fields]
pub struct Issue {
    #[field(flatten)]
    pub title: String,
}

fn main() {}
