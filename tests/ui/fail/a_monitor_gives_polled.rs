use linchpin::prelude::*;

#[monitor(event = "joined", every = "5m")]
async fn joined(_cx: Context, _since: Cursor<u64>) -> Result<Vec<String>> {
    Ok(Vec::new())
}

fn main() {}
