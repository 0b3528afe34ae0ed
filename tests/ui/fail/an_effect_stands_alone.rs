use linchpin::prelude::*;

#[action(read = true)]
async fn get_issue(_cx: Context) -> Result<()> {
    Ok(())
}

fn main() {}
