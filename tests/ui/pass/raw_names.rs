//! Words of the language as names.

use linchpin::prelude::*;

#[fields]
pub struct Wanted {
    pub r#type: String,
    pub r#match: Option<String>,
}

#[action(read)]
async fn r#move(cx: Context, Input(q): Input<Wanted>) -> Result<Wanted> {
    cx.get(path!("/things/{q.r#type}")).query("match", q.r#match).send().await?.json()
}

fn main() {
    use linchpin::flow::Flow;
    assert_eq!(r#move::DESCRIPTOR.name, "move");
    let text = r#"{"type":"a","match":"b"}"#;
    let wanted: Wanted = linchpin::serde_json::from_str(text).unwrap();
    assert_eq!(linchpin::serde_json::to_string(&wanted).unwrap(), text);
}
