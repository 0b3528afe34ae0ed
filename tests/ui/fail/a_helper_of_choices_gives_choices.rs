use linchpin::prelude::*;

#[helper]
async fn projects(_cx: Context) -> Result<Vec<String>> {
    Ok(Vec::new())
}

#[fields]
pub struct NewIssue {
    #[field(choices = projects)]
    pub project: String,
}

fn main() {}
