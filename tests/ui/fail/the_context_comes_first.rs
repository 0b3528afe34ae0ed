use linchpin::prelude::*;

#[action(read)]
async fn get_issue(Input(_q): Input<ChoiceQuery>, _cx: Context) -> Result<()> {
    Ok(())
}

fn main() {}
