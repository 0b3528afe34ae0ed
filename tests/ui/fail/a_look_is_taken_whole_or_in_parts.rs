use linchpin::prelude::*;

#[monitor(event = "member_joined", every = "5m", dedupe = "/id")]
async fn joined(_cx: Context, look: Look<String>, _overlap: Overlap) -> Result<Polled<String, String>> {
    Ok(Polled::new(Vec::new(), look.cursor.unwrap_or_default()))
}

fn main() {}
