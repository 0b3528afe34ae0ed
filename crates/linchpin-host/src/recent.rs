//! What was read from the store a moment ago.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Values as they were last read, each for a short time, and not beyond a change that this process has made.
pub(crate) struct Recent<K, V> {
    fresh: Duration,
    most: usize,
    known: Mutex<HashMap<K, Known<V>>>,
}

struct Known<V> {
    read: Instant,
    /// How many changes there had been in this process.
    changes: u64,
    value: V,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// Values count for this long, and so many are remembered.
    pub(crate) fn new(fresh: Duration, most: usize) -> Recent<K, V> {
        Recent { fresh, most, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<K, Known<V>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read a moment ago, if there were no more changes than these since.
    pub(crate) fn get<Q>(&self, key: &Q, changes: u64) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let known = self.known();
        let known = known.get(key)?;
        (known.read.elapsed() < self.fresh && known.changes == changes).then(|| known.value.clone())
    }

    /// Remembers what was read at a time, after so many changes; nothing while there are too many others.
    pub(crate) fn put(&self, key: K, read: Instant, changes: u64, value: V) {
        let mut known = self.known();
        if known.len() >= self.most {
            known.retain(|_, known| known.read.elapsed() < self.fresh);
        }
        if known.len() >= self.most {
            known.remove(&key);
        } else {
            known.insert(key, Known { read, changes, value });
        }
    }

    /// Forgets what was read.
    pub(crate) fn remove(&self, key: &K) {
        self.known().remove(key);
    }

    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        self.known().len()
    }
}
