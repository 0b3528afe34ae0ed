use linchpin::prelude::*;

#[action(read)]
fn get_issue(_cx: Context) -> Result<()> {
    Ok(())
}

fn main() {}
