use linchpin::prelude::*;

#[helper]
async fn projects<T>(_cx: Context) -> Result<()> {
    Ok(())
}

fn main() {}
