//! An annotated function is still called like any other, and imported with one `use`.

mod flows {
    use linchpin::prelude::*;

    #[helper]
    pub async fn answer(_cx: Context) -> Result<u64> {
        Ok(42)
    }
}

use flows::answer;
use linchpin::{Context, Result, flow::Flow};

fn both(cx: Context) -> (impl Future<Output = Result<u64>>, &'static str) {
    (answer(cx), answer::DESCRIPTOR.name)
}

fn main() {
    let _ = both;
}
