use linchpin::prelude::*;

#[action(read)]
async fn get_issue(_cx: Context) -> std::result::Result<String, String> {
    Ok(String::new())
}

fn main() {}
