//! Specs: one TOML file per connector.

mod model;

pub use model::*;
