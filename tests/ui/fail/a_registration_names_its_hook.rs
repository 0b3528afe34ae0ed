use linchpin::prelude::*;

#[webhook(register)]
async fn register(_cx: Context) -> Result<String> {
    Ok(String::new())
}

fn main() {}
