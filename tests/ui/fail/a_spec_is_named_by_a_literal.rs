use linchpin::prelude::*;

linchpin::connector!(specs);

fn main() {}
