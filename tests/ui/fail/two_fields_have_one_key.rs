use linchpin::prelude::*;

#[fields]
pub struct Issue {
    pub kind: String,
    #[field(rename = "kind")]
    pub class: String,
}

fn main() {}
