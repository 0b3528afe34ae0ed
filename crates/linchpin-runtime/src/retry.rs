//! Whether a request that failed is sent again, and when: decisions without I/O, clock or chance of their own.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use linchpin::manifest::spec::Retry;

use crate::session::seconds;

/// What is known when a request has failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    /// How often it was sent.
    pub(crate) attempts: u32,
    /// Whether what may have come of it may come of it twice.
    pub(crate) repeatable: bool,
    /// Whether nothing of it can have reached the service.
    pub(crate) unsent: bool,
    /// How long the service wants to be left alone.
    pub(crate) asked: Option<Duration>,
    /// How much time the call has left.
    pub(crate) left: Option<Duration>,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Decision {
    /// It is sent again after this time.
    Wait(Duration),
    /// The call fails.
    Stop(Stop),
}

/// Why a request that might succeed later is not sent again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Stop {
    /// It was sent as often as `http.retry.attempts` allows.
    Attempts(u32),
    /// It is a write that must not happen twice, and may have happened.
    Unsafe,
    /// The service wants to be left alone for longer than `http.retry.longest`.
    Longest(Duration),
    /// The call would be over by then.
    Deadline {
        /// How long the wait would be.
        wait: Duration,
        /// How much time the call has left.
        left: Duration,
    },
    /// Too many of the connection's requests fail.
    Budget,
}

impl Stop {
    /// What a user should know; nothing where the failure says it all.
    pub(crate) fn hint(self) -> Option<String> {
        Some(match self {
            Stop::Attempts(1) => return None,
            Stop::Attempts(count) => format!("it was sent {count} times, the limit of `http.retry.attempts`"),
            Stop::Unsafe => "it was not sent again, since it is a write that must not happen twice; look at the service whether it has happened before you repeat it".to_owned(),
            Stop::Longest(wait) => format!("the service may take it again in {}; waiting so long is left to you", seconds(wait)),
            Stop::Deadline { wait, left } => format!(
                "it could be sent again in {}, but the call has only {} left; give it more time",
                seconds(wait),
                seconds(left)
            ),
            Stop::Budget => "it was not sent again, since too many requests of this connection fail; wait until the service has recovered".to_owned(),
        })
    }
}

/// Decides; `chance` is a random number from 0 up to 1.
///
/// The pauses are "full jitter": anything up to a bound that doubles each time, so that callers who failed together do not come
/// back together (AWS Architecture Blog, "Exponential Backoff And Jitter"). A pause that the service asks for is kept, with a
/// little on top for the same reason.
pub(crate) fn decide(rules: &Retry, budget: &Budget, failure: Failure, chance: f64) -> Decision {
    let Failure { attempts, repeatable, unsent, asked, left } = failure;
    if attempts >= rules.attempts {
        return Decision::Stop(Stop::Attempts(attempts));
    }
    if !repeatable && !unsent {
        return Decision::Stop(Stop::Unsafe);
    }
    if let Some(asked) = asked.filter(|asked| *asked > rules.longest) {
        return Decision::Stop(Stop::Longest(asked));
    }
    let doubled = rules.first.saturating_mul(1 << (attempts - 1).min(30)).min(rules.longest);
    let wait = match asked {
        Some(asked) => asked.saturating_add(rules.first.mul_f64(chance)),
        None => doubled.mul_f64(chance),
    };
    if let Some(left) = left.filter(|left| *left <= wait) {
        return Decision::Stop(Stop::Deadline { wait, left });
    }
    match budget.take() {
        true => Decision::Wait(wait),
        false => Decision::Stop(Stop::Budget),
    }
}

/// How many more times a connection's requests may be sent again: while a service is down, callers must not multiply what
/// reaches it. What succeeds at once gives a little back. The amounts are those of the AWS SDKs ("Retry behavior", standard mode).
#[derive(Debug)]
pub(crate) struct Budget(AtomicU32);

impl Budget {
    const FULL: u32 = 500;
    const RETRY: u32 = 5;
    const SUCCESS: u32 = 1;

    pub(crate) fn new() -> Budget {
        Budget(AtomicU32::new(Budget::FULL))
    }

    fn take(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(Budget::RETRY))
            .is_ok()
    }

    /// A request succeeded after so many attempts.
    pub(crate) fn succeeded(&self, attempts: u32) {
        let back = if attempts > 1 { Budget::RETRY } else { Budget::SUCCESS };
        // Full nearly always: then nothing is written that other threads read.
        if self.0.load(Ordering::Relaxed) < Budget::FULL {
            let add = |left: u32| Some((left + back).min(Budget::FULL));
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failure() -> Failure {
        Failure { attempts: 1, repeatable: true, unsent: false, asked: None, left: None }
    }

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn decided(failure: Failure, chance: f64) -> Decision {
        decide(&Retry::default(), &Budget::new(), failure, chance)
    }

    #[test]
    fn the_bound_of_the_pause_doubles() {
        let most: Vec<_> = (1..=4).map(|attempts| decided(Failure { attempts, ..failure() }, 1.0)).collect();
        let waits = [500, 1000, 2000].map(|wait| Decision::Wait(ms(wait)));
        assert_eq!(most[..3], waits);
        assert_eq!(most[3], Decision::Stop(Stop::Attempts(4)));
    }

    #[test]
    fn what_the_service_asks_for_is_kept_or_left_to_the_caller() {
        let asked = |wait| decided(Failure { asked: Some(wait), ..failure() }, 0.5);
        assert_eq!(asked(ms(3000)), Decision::Wait(ms(3250)));
        assert_eq!(asked(ms(60_001)), Decision::Stop(Stop::Longest(ms(60_001))));
    }

    #[test]
    fn a_write_that_may_have_happened_is_not_repeated() {
        let write = Failure { repeatable: false, ..failure() };
        assert_eq!(decided(write, 0.5), Decision::Stop(Stop::Unsafe));
        assert_eq!(decided(Failure { unsent: true, ..write }, 0.5), Decision::Wait(ms(250)));
    }

    #[test]
    fn a_budget_runs_out_and_comes_back() {
        let budget = Budget::new();
        let mut count = 0;
        while decide(&Retry::default(), &budget, failure(), 0.0) == Decision::Wait(ms(0)) {
            count += 1;
        }
        assert_eq!(count, 100);
        assert_eq!(decide(&Retry::default(), &budget, failure(), 0.0), Decision::Stop(Stop::Budget));
        (0..5).for_each(|_| budget.succeeded(1));
        assert_eq!(decide(&Retry::default(), &budget, failure(), 0.0), Decision::Wait(ms(0)));
        budget.succeeded(2);
        assert!(budget.take() && !budget.take());
    }

    proptest! {
        #[test]
        fn a_pause_is_as_long_as_asked_and_never_past_the_deadline_or_the_limit(
            attempts in 1..12_u32,
            (repeatable, unsent) in any::<(bool, bool)>(),
            asked in proptest::option::of(0..200_000_u64),
            left in proptest::option::of(0..200_000_u64),
            chance in 0.0..1.0_f64,
        ) {
            let failure = Failure { attempts, repeatable, unsent, asked: asked.map(ms), left: left.map(ms) };
            let rules = Retry::default();
            if let Decision::Wait(wait) = decided(failure, chance) {
                prop_assert!(attempts < rules.attempts && (repeatable || unsent));
                prop_assert!(failure.asked.is_none_or(|asked| asked <= wait));
                prop_assert!(failure.left.is_none_or(|left| wait < left));
                prop_assert!(wait <= rules.longest + rules.first);
            }
        }
    }
}
