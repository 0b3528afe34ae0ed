use linchpin::prelude::*;

#[webhook(register, deregister, hook = "project")]
async fn register(_cx: Context) -> Result<String> {
    Ok(String::new())
}

fn main() {}
