use linchpin::prelude::*;

#[helper]
async fn projects(_cx: Context, _q: impl Clone) -> Result<()> {
    Ok(())
}

fn main() {}
