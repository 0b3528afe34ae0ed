use linchpin::prelude::*;

#[action(read, idempotency = "natural")]
async fn get_issue(_cx: Context) -> Result<()> {
    Ok(())
}

fn main() {}
