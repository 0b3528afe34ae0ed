use linchpin::prelude::*;

#[authping]
async fn authping(_cx: Context) -> Result<String> {
    Ok(String::new())
}

fn main() {}
