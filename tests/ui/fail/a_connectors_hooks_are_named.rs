use linchpin::{Response, Result, request::Request};

linchpin::connector!("specs/tracker.toml", befor = look, after = look, after = look);

fn look(_request: &Request, _answer: &mut Response) -> Result<()> {
    Ok(())
}

fn main() {}
