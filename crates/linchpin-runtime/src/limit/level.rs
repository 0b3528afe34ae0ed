//! What is left of a rate limit: decisions without I/O or a clock of their own.

use std::time::Duration;

use linchpin::{DateTime, manifest::spec::RateLimit};
use serde::{Deserialize, Serialize};

use crate::clock::after;

/// The longest that a service's word holds requests back; the next then asks anew. Without it one wrong number would end a
/// connection for good.
const LONGEST_HOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// How many requests may go in which time.
#[derive(Debug)]
pub(crate) struct Window {
    /// How many may go at once when nothing went before.
    requests: u64,
    /// In which time one request's worth flows back, in milliseconds.
    each: f64,
    /// By the key of a flow, how many requests one of its requests counts as.
    costs: Vec<(String, u64)>,
    /// The response header with the requests left.
    pub(crate) remaining: Option<String>,
    /// The response header with the time at which the budget is full again.
    pub(crate) reset: Option<String>,
}

impl Window {
    /// The window of an entry; none where it limits the concurrency only.
    pub(crate) fn of(rules: &RateLimit) -> Option<Window> {
        let (requests, window) = rules.budget?;
        Some(Window {
            requests,
            each: window.as_secs_f64() * 1000.0 / requests as f64,
            costs: rules.costs.clone(),
            remaining: rules.remaining.clone(),
            reset: rules.reset.clone(),
        })
    }

    /// How many requests one of a flow counts as.
    pub(crate) fn cost(&self, flow: &str) -> u64 {
        self.costs.iter().find(|(key, _)| key == flow).map_or(1, |(_, cost)| *cost)
    }

    /// How much a process takes at a time of what it shares with others: so little that what it does not use matters to nobody.
    pub(crate) fn share(&self) -> u64 {
        (self.requests / 100).clamp(1, 100)
    }
}

/// What is left in some windows, and until when the service wants nothing.
///
/// Each window is a bucket that is full at first and fills up again evenly: the generic cell rate algorithm (ITU-T I.371,
/// Annex A), which remembers one time only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Level {
    /// When each bucket is full again, in milliseconds since 1970.
    full: Vec<f64>,
    /// Until when the service wants nothing.
    held: Option<DateTime>,
}

impl Level {
    /// How long it is until so many requests' worth is there in each window.
    pub(crate) fn wait(&self, windows: &[Window], now: DateTime, units: impl Fn(&Window) -> u64) -> Duration {
        let arrives = now.unix_millis() as f64;
        let held = self.held.map_or(Duration::ZERO, |held| now.until(held));
        let waits = windows.iter().zip(self.full.iter().chain(std::iter::repeat(&0.0)));
        let longest = waits.map(|(window, full)| {
            let lacking = units(window) as f64 - window.requests as f64;
            full.max(arrives) + lacking * window.each - arrives
        });
        // Clocks tell whole milliseconds: whoever waited for a fraction less would find that it is not yet time.
        let longest = longest.fold(0.0, f64::max).ceil();
        held.max(Duration::from_millis(longest as u64))
    }

    /// Takes so many requests' worth out of each window.
    pub(crate) fn take(&mut self, windows: &[Window], now: DateTime, units: impl Fn(&Window) -> u64) {
        let goes = now.unix_millis() as f64;
        self.full.resize(windows.len(), 0.0);
        for (window, full) in windows.iter().zip(&mut self.full) {
            *full = full.max(goes) + units(window) as f64 * window.each;
        }
    }

    /// Takes `needed` out of each window, and as much of its share as is there beside that. Says how much that was, or how long
    /// it is until there is enough.
    pub(crate) fn draw(
        &mut self,
        windows: &[Window],
        now: DateTime,
        needed: impl Fn(&Window) -> u64,
    ) -> Result<Vec<u64>, Duration> {
        let wait = self.wait(windows, now, &needed);
        if wait > Duration::ZERO {
            return Err(wait);
        }
        let arrives = now.unix_millis() as f64;
        self.full.resize(windows.len(), 0.0);
        let drawn = windows.iter().zip(&mut self.full).map(|(window, full)| {
            let there = window.requests as f64 - ((*full - arrives).max(0.0) / window.each);
            let drawn = window.share().min(there as u64).max(needed(window));
            *full = full.max(arrives) + drawn as f64 * window.each;
            drawn
        });
        Ok(drawn.collect())
    }

    /// The service wants nothing for this time. Of two such times the longer counts.
    pub(crate) fn hold(&mut self, now: DateTime, wait: Duration) {
        let held = after(now, wait.min(LONGEST_HOLD));
        if self.held.is_none_or(|before| before.until(held) > Duration::ZERO) {
            self.held = Some(held);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use linchpin::{Connector, connector::SpecFile};
    use proptest::prelude::*;

    use super::*;

    /// The entries of a spec's rate limit.
    pub(crate) fn rules(entries: &str) -> Vec<RateLimit> {
        let text = format!(
            "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\n[http]\nbase_url = \"https://tracker.example\"\nrate_limit = {entries}\n"
        );
        let spec = SpecFile { path: "specs/tracker.toml", text: text.leak() };
        Connector::builder(spec).build().unwrap().spec().unwrap().http.rate_limits.clone()
    }

    pub(crate) fn at(millis: i64) -> DateTime {
        DateTime::from_unix_millis(1_767_225_600_000 + millis).unwrap()
    }

    pub(crate) fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn windows(entries: &str) -> Vec<Window> {
        rules(entries).iter().filter_map(Window::of).collect()
    }

    #[test]
    fn a_full_budget_goes_at_once_and_then_as_it_fills() {
        let (windows, mut level) = (windows("{ budget = \"3/3s\" }"), Level::default());
        for _ in 0..3 {
            assert_eq!(level.wait(&windows, at(0), |_| 1), ms(0));
            level.take(&windows, at(0), |_| 1);
        }
        assert_eq!(level.wait(&windows, at(0), |_| 1), ms(1000));
        assert_eq!(level.wait(&windows, at(0), |_| 2), ms(2000));
        assert_eq!(level.wait(&windows, at(5000), |_| 3), ms(0));
    }

    #[test]
    fn of_several_windows_each_holds() {
        let (windows, mut level) =
            (windows("[{ budget = \"2/1s\" }, { budget = \"3/9s\" }]"), Level::default());
        let mut waits = Vec::new();
        let mut now = 0;
        for _ in 0..5 {
            let wait = level.wait(&windows, at(now), |_| 1);
            waits.push(wait.as_millis());
            now += i64::try_from(wait.as_millis()).unwrap();
            level.take(&windows, at(now), |_| 1);
        }
        assert_eq!(waits, [0, 0, 500, 2500, 3000]);
    }

    #[test]
    fn a_flow_costs_what_the_spec_says() {
        let windows = windows("{ budget = \"10/10s\", costs = { search = 4 } }");
        assert_eq!((windows[0].cost("search"), windows[0].cost("get")), (4, 1));
        let mut level = Level::default();
        (0..2).for_each(|_| level.take(&windows, at(0), |window| window.cost("search")));
        assert_eq!(level.wait(&windows, at(0), |window| window.cost("search")), ms(2000));
        assert_eq!(level.wait(&windows, at(0), |window| window.cost("get")), ms(0));
    }

    #[test]
    fn nothing_goes_while_the_service_wants_nothing() {
        let (windows, mut level) = (windows("{ budget = \"100/1s\" }"), Level::default());
        level.hold(at(0), ms(7000));
        level.hold(at(0), ms(2000));
        assert_eq!(level.wait(&windows, at(1000), |_| 1), ms(6000), "the longer of two counts");
        assert_eq!(level.wait(&windows, at(7000), |_| 1), ms(0));
        level.hold(at(7000), Duration::MAX);
        assert_eq!(level.wait(&windows, at(7000), |_| 1), LONGEST_HOLD, "not for ever");
    }

    proptest! {
        #[test]
        fn in_no_window_goes_more_than_a_full_budget_and_what_flows_in(
            requests in 1..20_u64,
            arrivals in proptest::collection::vec((0..400_i64, 1..3_u64), 1..200),
        ) {
            let windows = windows(&format!("{{ budget = \"{requests}/1s\" }}"));
            let (mut level, mut now, mut went) = (Level::default(), 0, Vec::new());
            for (gap, cost) in arrivals {
                let cost = cost.min(requests);
                now += gap;
                let wait = level.wait(&windows, at(now), |_| cost);
                now += i64::try_from(wait.as_millis()).unwrap();
                level.take(&windows, at(now), |_| cost);
                went.push((now, cost));
            }
            for (index, (from, _)) in went.iter().enumerate() {
                let mut sum = 0;
                for (to, cost) in &went[index..] {
                    sum += cost;
                    let most = requests as f64 + (to - from) as f64 * requests as f64 / 1000.0;
                    prop_assert!(sum as f64 <= most + 0.001, "{sum} in {}", to - from);
                }
            }
        }

        #[test]
        fn what_is_drawn_was_there(draws in proptest::collection::vec((0..3000_i64, 1..5_u64), 1..100)) {
            let windows = windows("{ budget = \"1000/10s\" }");
            let (mut level, mut now, mut sum) = (Level::default(), 0, 0);
            for (gap, needed) in draws {
                now += gap;
                if let Ok(drawn) = level.draw(&windows, at(now), |_| needed) {
                    prop_assert!(drawn[0] >= needed && drawn[0] <= windows[0].share().max(needed));
                    sum += drawn[0];
                }
                prop_assert!(sum as f64 <= 1000.0 + now as f64 / 10.0 + 0.001);
            }
        }
    }
}
