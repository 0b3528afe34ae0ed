//! Flows that a macro of the author's writes.

use linchpin::prelude::*;

macro_rules! getter {
    ($name:ident, $path:literal, $type:ty) => {
        #[action(read)]
        async fn $name(cx: Context) -> Result<$type> {
            cx.get(path!($path)).send().await?.json()
        }
    };
}

getter!(get_me, "/me", Identity);
getter!(get_names, "/names", Vec<String>);

fn main() {
    use linchpin::flow::Flow;
    assert_eq!(get_names::DESCRIPTOR.title(), "Get Names");
}
