use linchpin::prelude::*;

#[helper]
async fn projects(_cx: Context) -> Result<Choices> {
    Ok(Choices::default())
}

#[fields]
pub struct NewIssue {
    #[field(choices = projects, depends_on(project))]
    pub project: String,
}

fn main() {}
