//! What is secret of a hook: sealed with its row.

use std::fmt;

use linchpin::{Code, DateTime, Error, Result};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    store::Hook,
    vault::{Kind, Place, Sealed, Vault},
};

/// What is secret of a hook.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct Secrets {
    /// What makes its URL unguessable.
    pub(super) token: String,
    /// The keys that deliveries may be signed with, the current one first.
    pub(super) keys: Vec<Key>,
    /// The key that the service is being given, and perhaps has already.
    pub(super) next_key: Option<String>,
    /// A registration whose answer is not known.
    pub(super) asked: Option<Asked>,
    /// What the registration gave, as JSON text.
    pub(super) registered: Option<String>,
    /// Where the service delivers to, as far as is known.
    pub(super) url: String,
    /// When the registration is to be renewed.
    pub(super) renew: Option<DateTime>,
    /// Earlier registrations that are still to be taken back.
    pub(super) old: Vec<String>,
    /// Since when deliveries may have been missed, until it stands again.
    pub(super) gap: Option<DateTime>,
}

/// A key that deliveries may be signed with.
#[derive(Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) key: String,
    /// Until when it counts; for ever where it does not say.
    pub(super) until: Option<DateTime>,
}

/// A registration that was asked for.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct Asked {
    /// The id of the run, so that a repetition carries the same idempotency keys.
    pub(super) run: String,
    /// When the service was asked last.
    pub(super) at: DateTime,
}

impl Secrets {
    pub(super) fn seal(&self, vault: &Vault, id: &str) -> Result<Sealed> {
        let text = serde_json::to_vec(self).map_err(|error| {
            Error::coded(Code::StoreFailed, format!("the hook `{id}` cannot be written: {error}"))
        })?;
        vault.seal(&place(id), &Zeroizing::new(text))
    }

    pub(super) fn open(vault: &Vault, hook: &Hook) -> Result<Secrets> {
        let text = vault.open(&place(&hook.id), &hook.sealed)?;
        serde_json::from_slice(&text).map_err(|_| {
            Error::coded(Code::SealBroken, format!("what is sealed of the hook `{}` is none", hook.id))
        })
    }

    /// Every key that a delivery may be signed with at a time.
    pub(super) fn valid(&self, now: DateTime) -> impl Iterator<Item = &str> {
        let kept = self.keys.iter().filter(move |key| key.until.is_none_or(|until| until > now));
        kept.map(|key| key.key.as_str()).chain(self.next_key.as_deref())
    }

    /// Makes a key the current one; the others go on counting until a time, and those that are over are forgotten.
    pub(super) fn promote(&mut self, key: String, now: DateTime, until: DateTime) {
        if self.keys.first().is_some_and(|current| current.key == key) {
            return;
        }
        self.keys.retain(|old| old.key != key && old.until.is_none_or(|over| over > now));
        for old in &mut self.keys {
            old.until.get_or_insert(until);
        }
        self.keys.insert(0, Key { key, until: None });
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

fn place(id: &str) -> Place {
    Place { kind: Kind::Hook, id: id.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime {
        DateTime::from_unix_millis(1_772_355_600_000 + seconds * 1000).unwrap()
    }

    fn valid(secrets: &Secrets, seconds: i64) -> Vec<&str> {
        secrets.valid(at(seconds)).collect()
    }

    #[test]
    fn an_old_key_counts_for_a_while_and_the_next_one_already() {
        let mut secrets = Secrets::default();
        secrets.promote("one".into(), at(0), at(10));
        assert_eq!(valid(&secrets, 100), ["one"]);
        secrets.next_key = Some("two".into());
        assert_eq!(valid(&secrets, 100), ["one", "two"]);
        secrets.next_key = None;
        secrets.promote("two".into(), at(100), at(110));
        assert_eq!(valid(&secrets, 109), ["two", "one"]);
        assert_eq!(valid(&secrets, 110), ["two"]);
        // The end of the first is not put off by the next.
        secrets.promote("three".into(), at(105), at(115));
        assert_eq!(valid(&secrets, 109), ["three", "two", "one"]);
        assert_eq!(valid(&secrets, 112), ["three", "two"]);
        secrets.promote("three".into(), at(300), at(310));
        assert_eq!(valid(&secrets, 300), ["three"]);
    }

    #[test]
    fn nothing_shows_in_debug_output() {
        let secrets = Secrets { token: "t0ken".into(), next_key: Some("k3y".into()), ..Secrets::default() };
        assert_eq!(format!("{secrets:?}"), "Secrets(..)");
    }
}
