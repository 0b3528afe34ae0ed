use linchpin::prelude::*;

#[fields(rename_all = "Camel")]
pub struct NewIssue {
    pub title: String,
}

fn main() {}
