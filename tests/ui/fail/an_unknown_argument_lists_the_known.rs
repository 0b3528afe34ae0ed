use linchpin::prelude::*;

#[action(read, titel = "Get Issue")]
async fn get_issue(_cx: Context) -> Result<()> {
    Ok(())
}

fn main() {}
