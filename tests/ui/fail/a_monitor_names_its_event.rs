use linchpin::prelude::*;

#[monitor(every = "5m")]
async fn joined(_cx: Context, _since: Cursor<u64>) -> Result<Polled<String, u64>> {
    Ok(Polled::new(Vec::new(), 0))
}

fn main() {}
