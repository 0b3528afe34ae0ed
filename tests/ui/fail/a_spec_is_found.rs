use linchpin::prelude::*;

linchpin::connector!("specs/nowhere.toml");

fn main() {}
