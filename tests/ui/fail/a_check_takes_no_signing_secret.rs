use linchpin::prelude::*;

#[webhook(check, hook = "project")]
async fn check(_cx: Context, _key: SigningSecret) -> Result<HookState> {
    Ok(HookState::healthy())
}

fn main() {}
