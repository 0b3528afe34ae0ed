use linchpin::prelude::*;

#[action(read)]
async fn list_issues(_cx: Context, Cursor(_since): Cursor<u64>) -> Result<()> {
    Ok(())
}

fn main() {}
