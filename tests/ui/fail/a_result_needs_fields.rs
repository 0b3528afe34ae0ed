use linchpin::prelude::*;

pub struct Issue {
    pub title: String,
}

#[action(read)]
async fn get_issue(_cx: Context) -> Result<Issue> {
    Err(Error::new("none"))
}

fn main() {}
