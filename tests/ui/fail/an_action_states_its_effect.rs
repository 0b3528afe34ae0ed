use linchpin::prelude::*;

#[action]
async fn get_issue(_cx: Context) -> Result<()> {
    Ok(())
}

fn main() {}
