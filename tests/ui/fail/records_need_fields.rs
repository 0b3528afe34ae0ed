use linchpin::prelude::*;

pub struct Issue {
    pub title: String,
}

#[action(read)]
async fn list_issues(_cx: Context) -> Result<Records<Issue>> {
    Ok(Records::from_list(Vec::new()))
}

fn main() {}
