use linchpin::prelude::*;

#[action(read)]
async fn get_issue(cx: Context, Input(q): Input<ChoiceQuery>) -> Result<()> {
    let _ = &q;
    cx.get(path!("/issues/{id")).send().await?;
    Ok(())
}

fn main() {}
