use std::rc::Rc;

use linchpin::prelude::*;

#[fields]
pub struct Repository {
    pub name: String,
}

#[action(read)]
async fn count_stars(cx: Context, Input(repository): Input<Repository>) -> Result<u64> {
    let shared = Rc::new(repository);
    let stars = cx.get(path!("/repos/{shared.name}/stars")).send().await?.json()?;
    drop(shared);
    Ok(stars)
}

fn main() {}
