use linchpin::prelude::*;

#[authping(read)]
async fn authping(_cx: Context) -> Result<Identity> {
    Ok(Identity::default())
}

fn main() {}
