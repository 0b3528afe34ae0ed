use linchpin::prelude::*;

#[helper]
async fn account(_cx: Unconnected, _connected: Context) -> Result<String> {
    Ok("7".to_owned())
}

fn main() {}
