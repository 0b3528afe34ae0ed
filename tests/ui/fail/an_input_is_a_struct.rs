use linchpin::prelude::*;

#[action(read)]
async fn get_issue(_cx: Context, Input(_id): Input<u64>) -> Result<()> {
    Ok(())
}

fn main() {}
