use linchpin::prelude::*;

#[action(read)]
async fn get_issue(_cx: Context, _url: EventUrl) -> Result<()> {
    Ok(())
}

fn main() {}
