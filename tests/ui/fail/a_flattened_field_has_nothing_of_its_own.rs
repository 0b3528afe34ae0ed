use linchpin::prelude::*;

#[fields]
pub struct Times {
    pub created_at: DateTime,
}

#[fields]
pub struct Issue {
    #[field(flatten, label = "Times")]
    pub times: Times,
}

fn main() {}
