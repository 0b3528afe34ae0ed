use linchpin::prelude::*;

#[webhook(register, hook = "a", hook = "b")]
async fn register(_cx: Context) -> Result<String> {
    Ok(String::new())
}

fn main() {}
