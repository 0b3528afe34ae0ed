use linchpin::prelude::*;

#[action(read)]
async fn get_issue(cx: Context, Input(q): Input<ChoiceQuery>) -> Result<()> {
    cx.get(path!("/issues")).query("q", q).send().await?;
    Ok(())
}

fn main() {}
