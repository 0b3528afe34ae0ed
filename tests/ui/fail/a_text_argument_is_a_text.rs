use linchpin::prelude::*;

#[webhook(event = 5)]
async fn issue_opened(_cx: Context) -> Result<String> {
    Ok(String::new())
}

fn main() {}
