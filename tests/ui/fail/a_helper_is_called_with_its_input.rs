use linchpin::prelude::*;

#[helper]
async fn projects(_cx: Context, Input(_q): Input<ChoiceQuery>) -> Result<Choices> {
    Ok(Choices::default())
}

#[action(read)]
async fn list_projects(cx: Context) -> Result<Choices> {
    cx.call::<projects>("all").await
}

fn main() {}
