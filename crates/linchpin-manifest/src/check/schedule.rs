//! What a monitor's schedule must be made of: cron expressions, time zones and times.

use jiff::{Timestamp, tz::TimeZone};

use crate::schedule;
use crate::spec::unit;

/// A time zone by its name.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// Why a cron expression cannot be used.
pub(super) fn cron_problem(text: &str) -> Option<String> {
    match schedule::Cron::parse(text) {
        Ok(cron) => {
            // Whether it ever comes does not depend on when it is asked.
            let next = cron.next(Timestamp::UNIX_EPOCH, &TimeZone::UTC);
            next.is_none().then(|| "that never comes".to_owned())
        }
        Err(problem) => Some(problem),
    }
}

/// Whether a text is a time or a duration.
pub(super) fn is_since(text: &str) -> bool {
    unit::parse_duration(text).is_some() || text.parse::<Timestamp>().is_ok()
}
