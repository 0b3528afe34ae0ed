use linchpin::prelude::*;

#[helper]
async fn register(_cx: Context) -> Result<String> {
    Ok(String::new())
}

#[webhook(deregister, hook = "project")]
async fn deregister(_cx: Context, Registered(_id): Registered<register>) -> Result<()> {
    Ok(())
}

fn main() {}
