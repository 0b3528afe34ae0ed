use linchpin::prelude::*;

#[action(create, idempotency = "always")]
async fn create_issue(_cx: Context) -> Result<()> {
    Ok(())
}

fn main() {}
