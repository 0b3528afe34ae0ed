use linchpin::prelude::*;

#[action(create)]
async fn create_issue(_cx: Context) -> Result<()> {
    Ok(())
}

fn main() {}
