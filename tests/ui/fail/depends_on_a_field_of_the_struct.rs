use linchpin::prelude::*;

#[helper]
async fn projects(_cx: Context) -> Result<Choices> {
    Ok(Choices::default())
}

#[fields]
pub struct NewIssue {
    pub owner: String,
    #[field(choices = projects, depends_on(ower))]
    pub project: String,
}

fn main() {}
