use linchpin::prelude::*;

#[fields]
pub struct HookOptions {
    pub project: String,
}

#[helper]
async fn projects(_cx: Context, Options(_o): Options<HookOptions>) -> Result<()> {
    Ok(())
}

fn main() {}
