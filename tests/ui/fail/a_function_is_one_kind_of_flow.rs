use linchpin::prelude::*;

#[action(read)]
#[helper]
async fn projects(_cx: Context) -> Result<Choices> {
    Ok(Choices::default())
}

fn main() {}
