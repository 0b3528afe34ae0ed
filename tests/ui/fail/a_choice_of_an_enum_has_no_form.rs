use linchpin::prelude::*;

#[fields]
pub enum Priority {
    #[field(secret, default = 1)]
    Low,
    #[field(choices = priorities)]
    High,
}

fn main() {}
