use linchpin::prelude::*;

linchpin::connector!("specs/with_mistakes.toml");

#[authping]
async fn authping(_cx: Context, _connection: Connection) -> Result<Identity> {
    Ok(Identity::new(1, "x"))
}

fn main() {
    connector();
}
