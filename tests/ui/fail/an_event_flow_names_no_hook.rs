use linchpin::prelude::*;

#[webhook(event = "issue_opened", hook = "project")]
async fn issue_opened(_cx: Context) -> Result<String> {
    Ok(String::new())
}

fn main() {}
