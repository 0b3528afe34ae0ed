//! How many requests a service allows: when the next may go, and whose it is.

mod announced;
mod level;
mod queue;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::HeaderMap;
use linchpin::{
    Code, DateTime, Error, Result,
    manifest::spec::{Http, RateLimitScope},
};
use tokio::sync::Notify;

pub(crate) use self::announced::none_left;
use self::{
    level::{Level, Window},
    queue::{Queue, Turner},
};
use crate::{
    clock::Clock,
    outcome,
    session::seconds,
    share::{self, Cells, Change, Leaving, Place, Places},
};

/// Holds requests back so that no more go than the spec's `http.rate_limit` allows, and none while the service wants none.
///
/// Where several processes share cells they share the budget: each takes a small share of it at a time, so that most requests
/// need nothing of the store.
#[derive(Debug)]
pub(crate) struct Limiter {
    windows: Vec<Window>,
    /// How many requests may be under way at once.
    concurrency: Option<usize>,
    /// The budget and the concurrency of all processes.
    shared: Option<Shared>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Shared {
    cells: Arc<dyn Cells>,
    budget: String,
    places: Option<Places>,
}

#[derive(Debug, Default)]
struct State {
    level: Level,
    /// What was taken out of the budget of all processes, and is not used up: requests' worth in each window.
    stock: Vec<u64>,
    /// How many requests are under way.
    running: usize,
    queue: Queue,
}

/// What the first of a queue may do.
enum Step {
    Go,
    /// Look again after this time.
    Pause(Duration),
    /// Look again when woken.
    Wait,
    /// Take a share of the common budget.
    Draw,
}

/// Why a request may not go.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Not within what its caller would wait, but after this time; nothing is taken.
    TooLate(Duration),
    /// The store could not be asked.
    Failed(Error),
}

impl Limiter {
    /// A limiter by the entries of one scope; none where there are none. `shared` are the cells of all processes, and by what name
    /// the limiter is known in them.
    pub(crate) fn new(
        http: &Http,
        scope: RateLimitScope,
        shared: Option<(Arc<dyn Cells>, String)>,
    ) -> Option<Limiter> {
        let rules = || http.rate_limits.iter().filter(|rule| rule.per == scope);
        rules().next()?;
        let windows = rules().filter_map(Window::of).collect();
        let concurrency = rules().filter_map(|rule| rule.concurrency).min().map(|most| most as usize);
        let shared = shared.map(|(cells, name)| Shared {
            budget: format!("{name}/budget"),
            places: concurrency.map(|most| Places {
                cells: cells.clone(),
                name: format!("{name}/running"),
                most,
                time: http.timeout,
            }),
            cells,
        });
        Some(Limiter { windows, concurrency, shared, state: Mutex::default() })
    }

    /// Waits for a request's turn, and takes it: as the spec allows, flow by flow. The permit is kept until the request is over.
    pub(crate) async fn admit(
        self: &Arc<Limiter>,
        turner: Turner,
        clock: &dyn Clock,
        patience: Duration,
        leaving: &Arc<Leaving>,
    ) -> Result<Option<Permit>, Refusal> {
        let arrived = clock.now();
        let queued = {
            let mut state = self.state();
            if state.queue.is_empty() && matches!(self.step(&mut state, turner.1, arrived), Step::Go) {
                None
            } else {
                let ahead = state.queue.ahead(turner);
                let wait = state.level.wait(&self.windows, arrived, |window| window.cost(turner.1) + ahead);
                if wait > patience {
                    return Err(Refusal::TooLate(wait));
                }
                let (id, wake) = state.queue.push(turner);
                Some(Queued { limiter: self, turner, id, wake })
            }
        };
        if let Some(queued) = queued {
            let left = |now| patience.saturating_sub(arrived.until(now));
            self.go_first(queued, clock, left).await?;
        }
        if self.concurrency.is_none() {
            return Ok(None);
        }
        let mut permit = Permit { limiter: self.clone(), place: None };
        if let Some(places) = self.shared.as_ref().and_then(|shared| shared.places.as_ref()) {
            permit.place = Some(places.wait(clock, leaving).await.map_err(Refusal::Failed)?);
        }
        Ok(Some(permit))
    }

    /// Waits until a request is the first of the queue, and may go.
    async fn go_first(
        &self,
        queued: Queued<'_>,
        clock: &dyn Clock,
        left: impl Fn(DateTime) -> Duration,
    ) -> Result<(), Refusal> {
        loop {
            let now = clock.now();
            let step = {
                let mut state = self.state();
                match state.queue.is_next(queued.id) {
                    true => self.step(&mut state, queued.turner.1, now),
                    false => Step::Wait,
                }
            };
            let pause = match step {
                Step::Go => return Ok(()),
                Step::Wait => {
                    queued.wake.notified().await;
                    continue;
                }
                Step::Draw => self.draw(queued.turner.1).await.map_err(Refusal::Failed)?,
                Step::Pause(pause) => pause,
            };
            if pause > left(now) {
                return Err(Refusal::TooLate(pause));
            }
            if pause > Duration::ZERO {
                clock.pause(pause).await;
            }
        }
    }

    /// Lets the first request go, or says what it waits for.
    fn step(&self, state: &mut State, flow: &str, now: DateTime) -> Step {
        if self.concurrency.is_some_and(|most| state.running >= most) {
            return Step::Wait;
        }
        if self.shared.is_some() && !self.windows.is_empty() {
            let held = state.level.wait(&[], now, |_| 0);
            if held > Duration::ZERO {
                return Step::Pause(held);
            }
            state.stock.resize(self.windows.len(), 0);
            let costs = || self.windows.iter().map(|window| window.cost(flow));
            if state.stock.iter().zip(costs()).any(|(stock, cost)| *stock < cost) {
                return Step::Draw;
            }
            state.stock.iter_mut().zip(costs()).for_each(|(stock, cost)| *stock -= cost);
        } else {
            let wait = state.level.wait(&self.windows, now, |window| window.cost(flow));
            if wait > Duration::ZERO {
                return Step::Pause(wait);
            }
            state.level.take(&self.windows, now, |window| window.cost(flow));
        }
        if self.concurrency.is_some() {
            state.running += 1;
        }
        Step::Go
    }

    /// Takes a share of the budget of all processes; says how long to wait where there is none.
    async fn draw(&self, flow: &str) -> Result<Duration> {
        let Some(shared) = &self.shared else { return Ok(Duration::ZERO) };
        let drawn = share::change(&*shared.cells, &shared.budget, |mut level: Level, now| {
            match level.draw(&self.windows, now, |window| window.cost(flow)) {
                Ok(drawn) => (share::put(&level), Ok(drawn)),
                Err(wait) => (Change::Leave, Err(wait)),
            }
        });
        match drawn.await? {
            Ok(drawn) => {
                let mut state = self.state();
                state.stock.iter_mut().zip(drawn).for_each(|(stock, drawn)| *stock += drawn);
                Ok(Duration::ZERO)
            }
            Err(wait) => Ok(wait),
        }
    }

    /// The service wants nothing for this time, of no process.
    pub(crate) async fn hold(&self, now: DateTime, wait: Duration) {
        self.state().level.hold(now, wait);
        if let Some(shared) = &self.shared {
            // What cannot be told to the others they hear from the service.
            let _ = share::change(&*shared.cells, &shared.budget, |mut level: Level, now| {
                level.hold(now, wait);
                (share::put(&level), ())
            })
            .await;
        }
    }

    /// For how long the headers of an answer say that nothing is left.
    pub(crate) fn used_up(&self, headers: &HeaderMap, now: DateTime) -> Option<Duration> {
        let text = |name: &Option<String>| headers.get(name.as_deref()?)?.to_str().ok();
        let said = self.windows.iter().find_map(|window| {
            let none_left = text(&window.remaining).is_some_and(|left| left.trim() == "0");
            none_left.then(|| outcome::wait_of(headers, window.reset.as_deref(), now))?
        });
        said.or_else(|| none_left(headers))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in the queue; it leaves when it goes and when it is given up.
struct Queued<'a> {
    limiter: &'a Limiter,
    turner: Turner,
    id: u64,
    wake: Arc<Notify>,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.limiter.state().queue.leave(self.turner, self.id);
    }
}

/// That a request is under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    limiter: Arc<Limiter>,
    /// One of all processes' places.
    place: Option<Place>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        state.running = state.running.saturating_sub(1);
        state.queue.wake();
    }
}

/// The error for a turn that comes too late.
pub(crate) fn too_late(wait: Duration, left: Option<Duration>) -> Error {
    let message = format!("the rate limit is used up; the next request may go in {}", seconds(wait));
    let hint = match left.filter(|left| *left < wait) {
        Some(left) => {
            format!("the call has only {} left; give it more time, or call again later", seconds(left))
        }
        None => "that is longer than `http.retry.longest` lets a request wait; call again then".to_owned(),
    };
    Error::coded(Code::RateLimited, message).retry_after(wait).hint(hint)
}
