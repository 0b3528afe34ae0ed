use linchpin::prelude::*;

#[webhook(deregister, hook = "project")]
async fn deregister(_cx: Context) -> Result<String> {
    Ok(String::new())
}

fn main() {}
