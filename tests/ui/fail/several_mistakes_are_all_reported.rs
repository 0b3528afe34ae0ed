use linchpin::prelude::*;

#[action(craete, idempotency = "always")]
fn create_issue<T>(_cx: &Context) {}

#[fields]
pub struct NewIssue {
    #[field(lable = "Title", min = 5, max = 1)]
    pub title: String,
    #[field(depends_on(title))]
    pub project: String,
}

fn main() {}
