use linchpin::prelude::*;

#[webhook(register, hook = "project")]
async fn register(_cx: Context, _url: EventUrl) -> Result<String> {
    Ok(String::new())
}

#[webhook(check, hook = "project")]
async fn check(_cx: Context, Registered(_id): Registered<register>) -> Result<bool> {
    Ok(true)
}

fn main() {}
