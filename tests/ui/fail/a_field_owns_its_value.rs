use linchpin::prelude::*;

#[fields]
pub struct NewIssue {
    pub title: &'static str,
}

fn main() {}
