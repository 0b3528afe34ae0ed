use linchpin::prelude::*;

#[revoke]
async fn revoke(_cx: Context) -> Result<()> {
    Ok(())
}

fn main() {}
