//! The crate under another name, as behind a re-export.

mod sdk {
    pub use linchpin::*;
}

use sdk::prelude::*;

#[fields(crate = "sdk")]
pub struct Wanted {
    pub id: u64,
}

#[action(read, crate = "sdk")]
async fn get_issue(_cx: Context, Input(wanted): Input<Wanted>) -> Result<Wanted> {
    Ok(wanted)
}

fn main() {}
