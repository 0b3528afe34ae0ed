use linchpin::prelude::*;

#[action(create, update, idempotency = "none")]
async fn put_issue(_cx: Context) -> Result<()> {
    Ok(())
}

fn main() {}
