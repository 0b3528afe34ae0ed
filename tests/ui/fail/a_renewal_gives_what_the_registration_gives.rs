use linchpin::prelude::*;

#[webhook(register, hook = "project")]
async fn register(_cx: Context, _url: EventUrl) -> Result<String> {
    Ok(String::new())
}

#[webhook(renew, hook = "project")]
async fn renew(_cx: Context, Registered(_id): Registered<register>) -> Result<u64> {
    Ok(1)
}

fn main() {}
