use linchpin::prelude::*;

#[fields]
pub struct NewIssue {
    #[field(max_length = 1.5)]
    pub title: String,
}

fn main() {}
