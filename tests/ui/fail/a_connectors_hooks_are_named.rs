use linchpin::{Result, request::Request};

linchpin::connector!("specs/tracker.toml", befor = stamp, after = stamp, after = stamp);

fn stamp(_request: &mut Request) -> Result<()> {
    Ok(())
}

fn main() {}
