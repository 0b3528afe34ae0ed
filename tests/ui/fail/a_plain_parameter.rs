use linchpin::prelude::*;

#[action(read)]
async fn get_issue(_cx: Context, _id: String) -> Result<()> {
    Ok(())
}

fn main() {}
