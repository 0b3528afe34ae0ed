use linchpin::prelude::*;

#[authping]
async fn authping() -> Result<Identity> {
    Ok(Identity::default())
}

fn main() {}
