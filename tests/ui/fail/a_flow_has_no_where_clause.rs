use linchpin::prelude::*;

#[helper]
async fn projects(_cx: Context) -> Result<()>
where
    String: Clone,
{
    Ok(())
}

fn main() {}
