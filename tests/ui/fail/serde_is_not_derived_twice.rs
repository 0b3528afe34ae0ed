use linchpin::prelude::*;

#[fields]
#[derive(Debug, linchpin::serde::Serialize)]
pub struct Issue {
    pub title: String,
}

fn main() {}
