use linchpin::prelude::*;

#[action(read)]
async fn get_issue(_cx: Context, Payload(_p): Payload<String>) -> Result<()> {
    Ok(())
}

fn main() {}
