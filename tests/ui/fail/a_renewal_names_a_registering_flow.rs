use linchpin::prelude::*;

#[helper]
async fn register(_cx: Context) -> Result<String> {
    Ok(String::new())
}

#[webhook(renew, hook = "project")]
async fn renew(_cx: Context, Registered(id): Registered<register>) -> Result<String> {
    Ok(id)
}

fn main() {}
