use linchpin::prelude::*;

pub struct Position {
    pub page: u64,
}

#[monitor(event = "member_joined", every = "5m", dedupe = "/id")]
async fn joined(_cx: Context, _look: Look<Position>) -> Result<Polled<String, String>> {
    Ok(Polled::new(Vec::new(), String::new()))
}

fn main() {}
