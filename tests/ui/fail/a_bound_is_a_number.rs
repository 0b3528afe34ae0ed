use linchpin::prelude::*;

#[fields]
pub struct NewIssue {
    #[field(min = "ten")]
    pub weight: u8,
}

fn main() {}
