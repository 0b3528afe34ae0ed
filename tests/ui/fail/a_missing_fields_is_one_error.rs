//! A forgotten `#[fields]` is one error at each place where the type is used, in linchpin's words.

use linchpin::prelude::*;

pub struct Author {
    pub name: String,
}

#[fields]
pub struct Issue {
    pub title: String,
    pub author: Author,
}

fn main() {}
