//! Types are judged by what they are, never by their names.

use linchpin::prelude::*;

type In = Input<Wanted>;
type Cx = Context;
type Out = linchpin::Result<Maybe>;
type Maybe = Option<Wanted>;

#[fields]
pub struct Wanted {
    pub id: u64,
    pub next: MaybeBoxed,
}

type MaybeBoxed = Option<Box<Wanted>>;

#[action(read)]
async fn get_issue(_cx: Cx, input: In) -> Out {
    Ok(Some(input.0))
}

fn main() {
    use linchpin::shape::{FieldType, Shape};
    let Shape::Struct(shape) = Wanted::shape() else { panic!() };
    assert!(shape.fields[0].required() && !shape.fields[1].required());
    let wanted: Wanted = linchpin::serde_json::from_str(r#"{"id":1}"#).unwrap();
    assert!(wanted.next.is_none());
}
