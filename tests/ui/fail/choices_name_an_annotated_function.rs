use linchpin::prelude::*;

async fn projects(_cx: Context) -> Result<Choices> {
    Ok(Choices::default())
}

#[fields]
pub struct NewIssue {
    #[field(choices = projects)]
    pub project: String,
}

fn main() {}
