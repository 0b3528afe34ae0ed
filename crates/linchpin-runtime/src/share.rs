//! What processes have in common while they work: small values that each changes only in the place of what it was made from.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use linchpin::{Code, DateTime, Error, Result, flow::BoxFuture};
use serde::{Deserialize, Serialize};
use tokio::{
    runtime::Handle,
    sync::OwnedMutexGuard,
    task::{AbortHandle, JoinSet},
};

use crate::{
    clock::{Clock, after},
    random,
};

/// The longest pause before it is looked again whether another process has left.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// So often a change is tried again that others were faster with.
const TRIES: usize = 1000;

/// Small values by name that several processes change: what is left of rate limits, and who holds a lock.
///
/// They need not survive a crash of the machine, and nothing in them is secret.
pub trait Cells: fmt::Debug + Send + Sync + 'static {
    /// A cell as it is now.
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Cell>>;

    /// Puts a value in the place of the old one; `None` is a cell that is not there. `false` when another value stands there.
    fn swap<'a>(
        &'a self,
        name: &'a str,
        old: Option<&'a [u8]>,
        new: Option<&'a [u8]>,
    ) -> BoxFuture<'a, Result<bool>>;
}

/// A cell as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Its value; none where it is not there.
    pub value: Option<Vec<u8>>,
    /// The time of day by the clock of whoever keeps the cells, so that machines with other clocks agree.
    pub now: DateTime,
}

/// What a change makes of a cell.
pub(crate) enum Change {
    /// Nothing.
    Leave,
    /// Another value.
    Put(Vec<u8>),
    /// The cell goes.
    Remove,
}

/// Changes a cell, again where others were faster. What stands there and cannot be read counts as nothing.
pub(crate) async fn change<C, T>(
    cells: &dyn Cells,
    name: &str,
    make: impl Fn(C, DateTime) -> (Change, T),
) -> Result<T>
where
    C: for<'de> Deserialize<'de> + Default,
{
    for _ in 0..TRIES {
        let Cell { value, now } = cells.load(name).await?;
        let read = value.as_deref().and_then(|value| serde_json::from_slice(value).ok()).unwrap_or_default();
        let (change, made) = make(read, now);
        let new = match &change {
            Change::Leave => return Ok(made),
            Change::Put(new) => Some(new.as_slice()),
            Change::Remove => None,
        };
        if cells.swap(name, value.as_deref(), new).await? {
            return Ok(made);
        }
    }
    let message = format!("`{name}` in the store was changed by others {TRIES} times in a row");
    Err(Error::coded(Code::StoreFailed, message))
}

/// A value as a cell has it.
pub(crate) fn put(value: &impl Serialize) -> Change {
    // Numbers, texts and times are always JSON.
    Change::Put(serde_json::to_vec(value).unwrap_or_default())
}

/// Places that only so many may hold at once, over all processes.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) cells: Arc<dyn Cells>,
    pub(crate) name: String,
    /// How many there are.
    pub(crate) most: usize,
    /// For how long one is held: a process that dies does not hold it for ever.
    pub(crate) time: Duration,
}

/// Whoever holds a place.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Holders(Vec<(String, DateTime)>);

impl Places {
    /// Takes a place, or holds it for longer; otherwise says how long it is until one is free for certain.
    pub(crate) async fn take(&self, holder: &str) -> Result<Option<Duration>> {
        change(&*self.cells, &self.name, |Holders(mut holders), now| {
            holders.retain(|(other, held)| other != holder && now.until(*held) > Duration::ZERO);
            if holders.len() < self.most {
                holders.push((holder.to_owned(), after(now, self.time)));
                return (put(&Holders(holders)), None);
            }
            let soonest = holders.iter().map(|(_, held)| now.until(*held)).min();
            (Change::Leave, Some(soonest.unwrap_or_default()))
        })
        .await
    }

    /// Waits for a place.
    pub(crate) async fn wait(&self, clock: &dyn Clock, leaving: &Arc<Leaving>) -> Result<Place> {
        let random = random::bytes(Code::StoreFailed, &format!("to hold `{}` by", self.name))?;
        let holder = format!("{:032x}", u128::from_be_bytes(random));
        // Given back also by whoever gives up while the store is asked.
        let place = Place { places: self.clone(), holder, leaving: leaving.clone() };
        while let Some(soonest) = self.take(&place.holder).await? {
            clock.pause(soonest.clamp(Duration::from_millis(1), LOOK_AGAIN)).await;
        }
        Ok(place)
    }

    /// Gives a place back.
    async fn leave(&self, holder: &str) -> Result<()> {
        change(&*self.cells, &self.name, |Holders(mut holders), now| {
            let before = holders.len();
            holders.retain(|(other, held)| other != holder && now.until(*held) > Duration::ZERO);
            match holders.len() {
                0 if before > 0 => (Change::Remove, ()),
                left if left == before => (Change::Leave, ()),
                _ => (put(&Holders(holders)), ()),
            }
        })
        .await
    }
}

/// A place that is held until it is dropped, or until its time is over.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    holder: String,
    leaving: Arc<Leaving>,
}

impl Place {
    /// Holds the place for longer and longer, as long as the future is polled.
    async fn keep(places: Places, holder: String) {
        loop {
            tokio::time::sleep(places.time / 3).await;
            // A store that cannot be asked now is asked again; the place is held for twice as long.
            let _ = places.take(&holder).await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (places, holder) = (self.places.clone(), std::mem::take(&mut self.holder));
        // What is not given back is free again when its time is over.
        self.leaving.spawn(async move { drop(places.leave(&holder).await) });
    }
}

/// Places that are being given back.
#[derive(Debug, Default)]
pub(crate) struct Leaving(Mutex<JoinSet<()>>);

impl Leaving {
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(work, &runtime);
    }

    /// Waits until all are.
    pub(crate) async fn settle(&self) {
        let tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.join_all().await;
    }
}

/// The locks of a connection, by their names.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

/// For how long a lock is held that another process sees, without word from its holder.
const LOCKED: Duration = Duration::from_secs(60);

impl Locks {
    /// Waits for a lock: within the process first, and then, where there are cells, among all of them.
    pub(crate) async fn lock(
        &self,
        name: &str,
        shared: Option<(Arc<dyn Cells>, String)>,
        clock: &dyn Clock,
        leaving: &Arc<Leaving>,
    ) -> Result<Locked> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match locks.get(name).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    locks.retain(|_, lock| lock.strong_count() > 0);
                    let lock = Arc::new(tokio::sync::Mutex::new(()));
                    locks.insert(name.to_owned(), Arc::downgrade(&lock));
                    lock
                }
            }
        };
        let here = lock.lock_owned().await;
        let Some((cells, name)) = shared else { return Ok(Locked { kept: None, _place: None, _here: here }) };
        let places = Places { cells, name, most: 1, time: LOCKED };
        let place = places.wait(clock, leaving).await?;
        let kept = tokio::spawn(Place::keep(places, place.holder.clone())).abort_handle();
        Ok(Locked { kept: Some(kept), _place: Some(place), _here: here })
    }
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Locked {
    kept: Option<AbortHandle>,
    _place: Option<Place>,
    _here: OwnedMutexGuard<()>,
}

impl Drop for Locked {
    fn drop(&mut self) {
        if let Some(kept) = &self.kept {
            kept.abort();
        }
    }
}
