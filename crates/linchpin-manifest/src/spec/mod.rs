//! Specs: one TOML file per connector.

mod model;

pub use model::*;
/// stub
#[derive(Debug)]
pub struct Parsed {
    /// s
    pub spec: Option<Spec>,
    /// s
    pub diagnostics: Vec<crate::diagnostic::Diagnostic>,
}
/// stub
pub fn parse(_path: &str, _text: &str) -> Parsed {
    Parsed { spec: None, diagnostics: vec![] }
}
