use linchpin::prelude::*;

async fn register(_cx: Context) -> Result<String> {
    Ok(String::new())
}

#[webhook(deregister, hook = "project")]
async fn deregister(cx: Context, Registered(_id): Registered<register>) -> Result<()> {
    register(cx).await?;
    Ok(())
}

fn main() {}
