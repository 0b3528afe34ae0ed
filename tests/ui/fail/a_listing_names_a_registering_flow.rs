use linchpin::prelude::*;

#[helper]
async fn register(_cx: Context) -> Result<String> {
    Ok(String::new())
}

#[webhook(list, hook = "project")]
async fn list(_cx: Context, _base: EventBase) -> Result<Vec<Found<register>>> {
    Ok(Vec::new())
}

fn main() {}
