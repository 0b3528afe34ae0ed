//! A crate that forbids what generated code must not do, and denies every warning.

#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub)]

/// Flows of a module.
pub mod issue {
    use linchpin::prelude::*;

    /// What is looked for.
    #[fields]
    #[derive(Debug)]
    pub struct Wanted {
        /// Id
        pub id: u64,
    }

    /// Get Issue
    #[action(read)]
    pub async fn get_issue(cx: Context, Input(wanted): Input<Wanted>) -> Result<Wanted> {
        cx.get(path!("/issues/{wanted.id}")).send().await?.json()
    }

    #[helper]
    async fn private_helper(_cx: Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
