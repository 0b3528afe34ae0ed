//! What `connector!` makes of a spec: a field that every method has, those that one lacks, and secrets.

use linchpin::prelude::*;

linchpin::connector!("specs/tracker.toml");

#[authping]
async fn authping(_cx: Context, of: Connection) -> Result<Identity> {
    let (site, user): (String, Option<String>) = (of.site, of.username);
    let secret: Option<Secret> = of.token.or(of.password);
    secret.ok_or_else(|| Error::new("neither a token nor a password"))?;
    Ok(Identity::new(site, user.unwrap_or_default()))
}

#[helper]
async fn site(_cx: Context, Input(_query): Input<ChoiceQuery>, of: Connection) -> Result<Choices> {
    Ok([Choice::new(&of.site, &of.site)].into_iter().collect())
}

/// So are the configuration values that the spec writes.
#[action(read)]
async fn audience(_cx: Context, of: Config) -> Result<String> {
    let _: Secret = of.header;
    Ok(of.audience)
}

/// A connection needs not be given to a flow that is called by its type: the context has it.
#[action(read)]
async fn first_site(cx: Context) -> Result<Option<Choice>> {
    Ok(cx.call::<site>(ChoiceQuery::default()).await?.choices.into_iter().next())
}

fn main() {
    let names: Vec<&str> = connector().flows().iter().map(|flow| flow.name).collect();
    assert_eq!(names, ["audience", "authping", "first_site", "site"]);
    assert_eq!((connector().key(), SPEC.path), ("tracker", "specs/tracker.toml"));
}
