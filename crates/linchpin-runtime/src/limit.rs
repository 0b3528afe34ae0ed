//! How many requests a service allows: when the next may go. Decisions without I/O or a clock of their own.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::HeaderMap;
use linchpin::{Code, DateTime, Error, manifest::spec::RateLimit};

use crate::{
    clock::{after, until},
    outcome,
    session::seconds,
};

/// The longest that a service's word holds requests back; the next then asks anew. Without it one wrong number would end a
/// connection for good.
const LONGEST_HOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Holds requests back so that no more go than the spec's `http.rate_limit` allows, and none while the service wants none.
///
/// The budget is a bucket that is full at first and fills up again evenly: the generic cell rate algorithm (ITU-T I.371, Annex A),
/// which remembers one time only. Who comes first goes first.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// In which time one request's worth flows back, in milliseconds.
    each: f64,
    /// How much the bucket holds beyond the next request, in milliseconds.
    burst: f64,
    /// The response header with the requests left.
    remaining: Option<String>,
    /// The response header with the time at which the budget is full again.
    reset: Option<String>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the bucket is full again, in milliseconds since 1970.
    full: f64,
    /// Until when the service wants nothing.
    held: Option<DateTime>,
}

/// When a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// After this time, which is now taken.
    After(Duration),
    /// Not within what its caller would wait, but after this time; nothing is taken.
    TooLate(Duration),
}

impl Limiter {
    pub(crate) fn new(rules: &RateLimit) -> Limiter {
        let window = rules.window.as_secs_f64() * 1000.0;
        let each = window / rules.requests as f64;
        let RateLimit { remaining, reset, .. } = rules.clone();
        Limiter { each, burst: window - each, remaining, reset, state: Mutex::default() }
    }

    /// Takes the next turn, if it is no later than `patience` allows.
    pub(crate) fn take(&self, now: DateTime, patience: Duration) -> Turn {
        let mut state = self.state();
        let arrives = now.unix_millis() as f64;
        let held = state.held.map_or(Duration::ZERO, |held| until(now, held));
        let budget = Duration::from_secs_f64((state.full - self.burst - arrives).max(0.0) / 1000.0);
        let wait = held.max(budget);
        if wait > patience {
            return Turn::TooLate(wait);
        }
        let goes = arrives + wait.as_secs_f64() * 1000.0;
        state.full = state.full.max(goes) + self.each;
        Turn::After(wait)
    }

    /// The service wants nothing for this time.
    pub(crate) fn hold(&self, now: DateTime, wait: Duration) {
        let mut state = self.state();
        let held = after(now, wait.min(LONGEST_HOLD));
        if state.held.is_none_or(|before| until(before, held) > Duration::ZERO) {
            state.held = Some(held);
        }
    }

    /// Learns from an answer: when the service says that nothing is left, or that it was too much, nothing goes until it says.
    pub(crate) fn learn(&self, status: u16, headers: &HeaderMap, now: DateTime) {
        let remaining = self.remaining.as_deref().and_then(|name| headers.get(name)?.to_str().ok());
        if (status == 429 || remaining.is_some_and(|text| text.trim() == "0"))
            && let Some(wait) = outcome::wait_of(headers, self.reset.as_deref(), now)
        {
            self.hold(now, wait);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error for a turn that comes too late.
pub(crate) fn used_up(wait: Duration, left: Option<Duration>) -> Error {
    let message = format!("the rate limit is used up; the next request may go in {}", seconds(wait));
    let hint = match left.filter(|left| *left < wait) {
        Some(left) => {
            format!("the call has only {} left; give it more time, or call again later", seconds(left))
        }
        None => "that is longer than `http.retry.longest` lets a request wait; call again then".to_owned(),
    };
    Error::coded(Code::RateLimited, message).retry_after(wait).hint(hint)
}

#[cfg(test)]
mod tests {
    use linchpin::{Connector, connector::SpecFile};
    use proptest::prelude::*;

    use super::*;

    fn rules(budget: &str) -> RateLimit {
        let text = format!(
            "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\n[http]\nbase_url = \"https://tracker.example\"\nrate_limit = {{ budget = \"{budget}\", remaining = \"x-left\", reset = \"x-reset\" }}\n"
        );
        let spec = SpecFile { path: "specs/tracker.toml", text: text.leak() };
        Connector::builder(spec).build().unwrap().spec().unwrap().http.rate_limit.clone().unwrap()
    }

    fn at(millis: i64) -> DateTime {
        DateTime::from_unix_millis(1_767_225_600_000 + millis).unwrap()
    }

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_full_budget_goes_at_once_and_then_as_it_fills() {
        let limiter = Limiter::new(&rules("3/3s"));
        let turns: Vec<_> = (0..5).map(|_| limiter.take(at(0), ms(9000))).collect();
        assert_eq!(turns, [0, 0, 0, 1000, 2000].map(|wait| Turn::After(ms(wait))));
        assert_eq!(limiter.take(at(5000), ms(0)), Turn::After(ms(0)));
    }

    #[test]
    fn who_does_not_wait_takes_nothing() {
        let limiter = Limiter::new(&rules("1/10s"));
        assert_eq!(limiter.take(at(0), ms(0)), Turn::After(ms(0)));
        for _ in 0..3 {
            assert_eq!(limiter.take(at(0), ms(9999)), Turn::TooLate(ms(10_000)));
        }
        assert_eq!(limiter.take(at(0), ms(10_000)), Turn::After(ms(10_000)));
    }

    #[test]
    fn nothing_goes_while_the_service_wants_nothing() {
        let (limiter, mut headers) = (Limiter::new(&rules("100/1s")), HeaderMap::new());
        headers.insert("x-left", "1".parse().unwrap());
        headers.insert("x-reset", "7".parse().unwrap());
        limiter.learn(200, &headers, at(0));
        assert_eq!(limiter.take(at(0), ms(0)), Turn::After(ms(0)));
        headers.insert("x-left", "0".parse().unwrap());
        limiter.learn(200, &headers, at(0));
        assert_eq!(limiter.take(at(0), ms(60_000)), Turn::After(ms(7000)));
        limiter.hold(at(0), ms(2000));
        assert_eq!(limiter.take(at(1000), ms(0)), Turn::TooLate(ms(6000)), "the longer of two counts");
        assert_eq!(limiter.take(at(7000), ms(0)), Turn::After(ms(0)));
        limiter.hold(at(7000), Duration::MAX);
        assert_eq!(limiter.take(at(7000), ms(0)), Turn::TooLate(LONGEST_HOLD), "not for ever");
    }

    proptest! {
        #[test]
        fn in_no_window_go_more_than_twice_the_budget_and_in_the_long_run_no_more(
            requests in 1..20_u64,
            arrivals in proptest::collection::vec(0..400_i64, 1..200),
        ) {
            let limiter = Limiter::new(&rules(&format!("{requests}/1s")));
            let (mut now, mut went) = (0, Vec::new());
            for gap in arrivals {
                now += gap;
                let Turn::After(wait) = limiter.take(at(now), ms(1 << 40)) else { panic!() };
                went.push(now as f64 + wait.as_secs_f64() * 1000.0);
            }
            for (index, from) in went.iter().enumerate() {
                for (count, to) in went[index..].iter().enumerate() {
                    // A full bucket, and what flows in meanwhile; a millisecond for what is rounded.
                    let most = requests as f64 + (to - from + 1.0) * requests as f64 / 1000.0;
                    prop_assert!((count + 1) as f64 <= most + 1.0, "{} in {}", count + 1, to - from);
                }
            }
        }
    }
}
