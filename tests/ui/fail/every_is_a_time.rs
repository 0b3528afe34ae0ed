use linchpin::prelude::*;

#[monitor(event = "joined", every = "soon")]
async fn joined(_cx: Context, _since: Cursor<u64>) -> Result<Polled<String, u64>> {
    Ok(Polled::new(Vec::new(), 0))
}

fn main() {}
