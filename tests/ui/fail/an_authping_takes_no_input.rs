use linchpin::prelude::*;

#[authping]
async fn authping(_cx: Context, Input(_q): Input<ChoiceQuery>) -> Result<Identity> {
    Ok(Identity::default())
}

fn main() {}
