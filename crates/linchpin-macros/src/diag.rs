//! Where the mistakes of one item are gathered, so that all of them are reported at once.

use std::cell::RefCell;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// Gathers errors; dropping it unreported panics, so that no error is lost unnoticed.
pub(crate) struct Diag(RefCell<Option<syn::Error>>);

impl Diag {
    pub(crate) fn new() -> Diag {
        Diag(RefCell::new(None))
    }

    /// Reports `message` at the tokens.
    pub(crate) fn at(&self, tokens: impl ToTokens, message: impl Into<String>) {
        // Taken as a stream here, so that the function beneath is compiled once.
        self.push(syn::Error::new_spanned(tokens.into_token_stream(), message.into()));
    }

    pub(crate) fn push(&self, error: syn::Error) {
        let mut all = self.0.borrow_mut();
        match &mut *all {
            Some(all) => all.combine(error),
            None => *all = Some(error),
        }
    }

    /// The value of a step, or its error reported.
    pub(crate) fn take<T>(&self, step: syn::Result<T>) -> Option<T> {
        step.map_err(|error| self.push(error)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_none()
    }

    /// The errors as `compile_error!`s.
    pub(crate) fn finish(self) -> TokenStream {
        self.0.take().map(syn::Error::into_compile_error).unwrap_or_default()
    }
}

impl Drop for Diag {
    fn drop(&mut self) {
        assert!(
            std::thread::panicking() || self.0.borrow().is_none(),
            "errors of a macro were gathered and never reported"
        );
    }
}
