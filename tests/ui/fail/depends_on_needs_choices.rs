use linchpin::prelude::*;

#[fields]
pub struct NewIssue {
    pub owner: String,
    #[field(depends_on(owner))]
    pub project: String,
}

fn main() {}
