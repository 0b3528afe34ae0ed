use linchpin::prelude::*;

#[fields]
pub struct NewIssue {
    #[field(min = 10, max = 1)]
    pub weight: u8,
}

fn main() {}
