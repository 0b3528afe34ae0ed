use linchpin::prelude::*;

#[authping]
async fn authping(_cx: Context) -> Result<Identity> {
    Ok(Identity::default())
}

#[action(read)]
async fn whoami(cx: Context) -> Result<Identity> {
    cx.call::<authping>(()).await
}

fn main() {}
