use linchpin::prelude::*;

pub struct NewIssue {
    pub title: String,
}

#[action(create, idempotency = "none")]
async fn create_issue(_cx: Context, Input(_new): Input<NewIssue>) -> Result<()> {
    Ok(())
}

fn main() {}
