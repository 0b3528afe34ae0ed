use linchpin::prelude::*;

#[action(read)]
async unsafe fn get_issue(_cx: Context) -> Result<()> {
    Ok(())
}

fn main() {}
