//! linchpin's spec and manifest models, the rules with stable codes that check them, and the diagnostics that tell.
//!
//! Pure: nothing here reads a file, knows a macro, or opens a connection. The core reads specs and needs `toml` only; the
//! feature `model` adds what is JSON, the feature `schedule` cron expressions, the feature `check` the joint rules, JSON Schema checking and
//! rendering.

pub mod attribute;
pub mod check;
#[cfg(feature = "model")]
pub mod descriptor;
pub mod diagnostic;
#[cfg(feature = "model")]
pub mod manifest;
#[cfg(feature = "check")]
pub mod render;
pub mod rules;
#[cfg(feature = "schedule")]
pub mod schedule;
#[cfg(feature = "model")]
pub mod schema;
mod source;
pub mod spec;

pub use diagnostic::{Diagnostic, Label, Location, Severity};
pub use source::{Source, Spans};
