use linchpin::prelude::*;

#[monitor(event = "joined", every = "31d")]
async fn joined(_cx: Context, _since: Cursor<u64>) -> Result<Polled<String, u64>> {
    Ok(Polled::new(Vec::new(), 0))
}

fn main() {}
