use linchpin::prelude::*;

#[helper]
async fn account(cx: Unconnected) -> Result<String> {
    cx.driver().connection().need("token").map(|token| token.expose().to_owned())
}

fn main() {}
