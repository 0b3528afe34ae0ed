use linchpin::prelude::*;

#[helper]
async fn labels(_cx: Context, _a: Input<ChoiceQuery>, _b: Input<Choice>) -> Result<()> {
    Ok(())
}

fn main() {}
