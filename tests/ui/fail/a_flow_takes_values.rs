use linchpin::prelude::*;

#[action(read)]
async fn get_issue(_cx: &Context) -> Result<()> {
    Ok(())
}

fn main() {}
