use linchpin::prelude::*;

#[fields]
pub struct Issue {
    #[serde(rename = "type")]
    pub kind: String,
}

fn main() {}
