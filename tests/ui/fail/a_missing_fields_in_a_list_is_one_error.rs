use linchpin::prelude::*;

pub struct Author {
    pub name: String,
}

#[fields]
pub struct Issue {
    pub authors: Option<Vec<Author>>,
}

fn main() {}
