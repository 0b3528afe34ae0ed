//! When a monitor looks: pure, by a time and a random number that are given.

use std::time::Duration;

use jiff::{
    SignedDuration, Timestamp,
    civil::{Time, Weekday},
    tz::TimeZone,
};
use linchpin::{
    Actor, Code, DateTime, Error, Result,
    manifest::spec::{Active, Monitor, unit},
};
use linchpin_manifest::schedule::Cron;

use crate::store::OwnSchedule;

/// By how much a look is put off at the most where the spec does not say.
const LONGEST_JITTER: Duration = Duration::from_secs(60);

/// How often a schedule is tried against the active hours before it counts as one that never comes.
const TRIES: usize = 1000;

/// When a monitor looks.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    rule: Rule,
    zone: TimeZone,
    jitter: Duration,
    active: Option<Window>,
}

#[derive(Debug, Clone)]
enum Rule {
    Every(Duration),
    Cron(Box<Cron>),
}

/// The active hours of the days of a week.
#[derive(Debug, Clone)]
struct Window {
    /// From Monday on.
    days: [bool; 7],
    from: Time,
    /// Midnight is the end of the day.
    to: Time,
}

impl Schedule {
    /// What the spec, the attribute's `every` and a subscription of its own say together.
    ///
    /// # Errors
    ///
    /// When something cannot be read.
    pub(crate) fn new(spec: &Monitor, every: Option<&str>, own: Option<&OwnSchedule>) -> Result<Schedule> {
        let refused = |what: String| {
            Error::coded(Code::OptionsInvalid, what).actor(Actor::Caller).hint(
                "write how often, as in `5m`, or minute, hour, day, month and weekday, as in `0 9 * * mon-fri`",
            )
        };
        let cron = |text: &str| {
            let cron = Cron::parse(text).map(|cron| Rule::Cron(Box::new(cron)));
            cron.map_err(|problem| refused(format!("`{text}` is not a schedule: {problem}")))
        };
        let interval = |text: &str| {
            let every = unit::parse_duration(text).filter(|every| every.as_secs() >= 1);
            every.map(Rule::Every).ok_or_else(|| refused(format!("`{text}` is not how often something is")))
        };
        let rule = match (own, spec.every, spec.cron.as_deref(), every) {
            (Some(OwnSchedule::Every(text)), ..) => interval(text)?,
            (Some(OwnSchedule::Cron(text)), ..) => cron(text)?,
            (None, Some(every), ..) => Rule::Every(every),
            (None, None, Some(text), _) => cron(text)?,
            (None, None, None, Some(text)) => interval(text)?,
            (None, None, None, None) => return Err(refused(format!("`{}` has no schedule", spec.key))),
        };
        let zone = match spec.zone.as_deref() {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name)
                .map_err(|error| refused(format!("the zone `{name}` is not known: {error}")))?,
        };
        let jitter = spec.jitter.unwrap_or(match &rule {
            Rule::Every(every) => (*every / 10).min(LONGEST_JITTER),
            Rule::Cron(_) => Duration::ZERO,
        });
        let active = spec.active.as_ref().map(|active| {
            let unread = || refused(format!("the active hours of `{}` cannot be read", spec.key));
            Window::new(active).ok_or_else(unread)
        });
        Ok(Schedule { rule, zone, jitter, active: active.transpose()? })
    }

    /// The next look after `now`. However many were missed, there is one; an interval keeps its beat, which `since` began. `random`
    /// is from 0 up to and without 1.
    pub(crate) fn next(&self, since: DateTime, now: DateTime, random: f64) -> Option<DateTime> {
        let now = Timestamp::from_millisecond(now.unix_millis()).ok()?;
        let mut next = match &self.rule {
            Rule::Every(every) => {
                let every = i64::try_from(every.as_millis()).ok().filter(|every| *every > 0)?;
                let gone = now.as_millisecond().saturating_sub(since.unix_millis());
                let beats = gone.div_euclid(every) + 1;
                let next = since.unix_millis().saturating_add(beats.saturating_mul(every));
                Timestamp::from_millisecond(next).ok()?
            }
            Rule::Cron(cron) => cron.next(now, &self.zone)?,
        };
        if let Some(window) = &self.active {
            next = self.active_from(window, next)?;
        }
        let jitter = self.jitter.mul_f64(random.clamp(0.0, 1.0));
        let put_off = next.checked_add(SignedDuration::try_from(jitter).ok()?).unwrap_or(next);
        // What is put off stays within the active hours.
        let next = match &self.active {
            Some(window) if !window.has(put_off, &self.zone) => next,
            _ => put_off,
        };
        DateTime::from_unix_millis(next.as_millisecond())
    }

    /// How often it looks, where it does so by an interval.
    pub(crate) fn interval(&self) -> Option<Duration> {
        match &self.rule {
            Rule::Every(every) => Some(*every),
            Rule::Cron(_) => None,
        }
    }

    /// The first time from `time` on that is in the active hours.
    pub(crate) fn open_from(&self, time: DateTime) -> Option<DateTime> {
        let Some(window) = &self.active else { return Some(time) };
        let stamp = Timestamp::from_millisecond(time.unix_millis()).ok()?;
        if window.has(stamp, &self.zone) {
            return Some(time);
        }
        let begin = window.begin_after(stamp, &self.zone)?;
        DateTime::from_unix_millis(begin.as_millisecond())
    }

    /// The first look from a time on that is in the active hours.
    fn active_from(&self, window: &Window, mut next: Timestamp) -> Option<Timestamp> {
        for _ in 0..TRIES {
            if window.has(next, &self.zone) {
                return Some(next);
            }
            let begin = window.begin_after(next, &self.zone)?;
            next = match &self.rule {
                Rule::Every(_) => begin,
                Rule::Cron(cron) => {
                    cron.next(begin.checked_sub(SignedDuration::from_millis(1)).ok()?, &self.zone)?
                }
            };
        }
        None
    }
}

impl Window {
    fn new(active: &Active) -> Option<Window> {
        let mut days = [active.days.is_empty(); 7];
        for day in &active.days {
            *days.get_mut(usize::from(*day))? = true;
        }
        let (from, to) = match active.hours.as_deref() {
            None => (0, 24 * 60),
            Some(hours) => unit::parse_hours(hours)?,
        };
        let time = |minutes: u16| {
            let (hour, minute) = (minutes / 60 % 24, minutes % 60);
            Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()
        };
        Some(Window { days, from: time(from)?, to: time(to)? })
    }

    fn on(&self, day: Weekday) -> bool {
        let day = usize::try_from(day.to_monday_zero_offset()).unwrap_or_default();
        self.days.get(day).copied().unwrap_or(false)
    }

    fn has(&self, time: Timestamp, zone: &TimeZone) -> bool {
        let wall = time.to_zoned_datetime(zone.clone());
        let (day, clock) = (wall.weekday(), wall.time());
        if self.to == Time::midnight() {
            return self.on(day) && clock >= self.from;
        }
        if self.from < self.to {
            return self.on(day) && clock >= self.from && clock < self.to;
        }
        // Over midnight: the hours of the morning are the day's before.
        (self.on(day) && clock >= self.from) || (self.on(day.previous()) && clock < self.to)
    }

    /// When the active hours begin next.
    fn begin_after(&self, time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut date = time.to_zoned_datetime(zone.clone()).date();
        for _ in 0..9 {
            let begin = zone.to_zoned_datetime(date.to_datetime(self.from)).ok()?.timestamp();
            if self.on(date.weekday()) && begin > time {
                return Some(begin);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    fn spec(edit: impl FnOnce(&mut Monitor)) -> Schedule {
        let mut monitor = Monitor::named("it");
        monitor.jitter = Some(Duration::ZERO);
        edit(&mut monitor);
        Schedule::new(&monitor, None, None).unwrap()
    }

    fn cron(text: &str, zone: &str) -> Schedule {
        spec(|monitor| (monitor.cron, monitor.zone) = (Some(text.to_owned()), Some(zone.to_owned())))
    }

    fn active(monitor: &mut Monitor, days: &[u8], hours: &str) {
        let mut active = Active::default();
        (active.days, active.hours) = (days.to_vec(), Some(hours.to_owned()));
        monitor.active = Some(active);
    }

    /// So many looks in a row, by the wall of a zone.
    fn looks(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
        let (since, mut now) = (at(from), at(from));
        let each = (0..count).map(|_| {
            now = schedule.next(since, now, 0.0).unwrap();
            let time = Timestamp::from_millisecond(now.unix_millis()).unwrap();
            time.to_zoned_datetime(schedule.zone.clone()).strftime("%d %H:%M:%S").to_string()
        });
        each.collect()
    }

    #[test]
    fn an_interval_keeps_its_beat_and_missed_looks_are_one() {
        let schedule = spec(|monitor| monitor.every = Some(Duration::from_secs(300)));
        let since = at("2026-03-01T00:00:30Z");
        let next = |now| schedule.next(since, at(now), 0.0).unwrap().to_string();
        assert_eq!(next("2026-03-01T00:00:30Z"), "2026-03-01T00:05:30Z");
        assert_eq!(next("2026-03-01T00:05:29Z"), "2026-03-01T00:05:30Z");
        assert_eq!(next("2026-03-01T00:05:30Z"), "2026-03-01T00:10:30Z");
        // A day of looks was missed.
        assert_eq!(next("2026-03-02T00:00:31Z"), "2026-03-02T00:05:30Z");
        // A clock that was set back.
        assert_eq!(next("2026-02-28T23:59:00Z"), "2026-03-01T00:00:30Z");
    }

    #[test]
    fn a_cron_schedule_goes_by_the_wall_of_its_zone() {
        let schedule = cron("0 9 * * mon-fri", "Europe/Berlin");
        // From a Friday before clocks are set forward to the Monday after.
        assert_eq!(looks(&schedule, "2026-03-27T00:00:00Z", 2), ["27 09:00:00", "30 09:00:00"]);
        let next = |now| schedule.next(at(now), at(now), 0.0).unwrap().to_string();
        assert_eq!(next("2026-03-27T00:00:00Z"), "2026-03-27T08:00:00Z");
        assert_eq!(next("2026-03-28T00:00:00Z"), "2026-03-30T07:00:00Z");
        let seconds = cron("*/20 * * * * *", "UTC");
        assert_eq!(looks(&seconds, "2026-03-01T00:00:05Z", 2), ["01 00:00:20", "01 00:00:40"]);
    }

    #[test]
    fn a_time_that_is_left_out_comes_after_the_gap_and_one_that_is_there_twice_comes_once() {
        let schedule = cron("30 2 * * *", "Europe/Berlin");
        // On the 29th of March 2026 clocks go from 02:00 to 03:00.
        let forward = looks(&schedule, "2026-03-28T00:00:00Z", 3);
        assert_eq!(forward, ["28 02:30:00", "29 03:00:00", "30 02:30:00"]);
        // On the 25th of October they go from 03:00 back to 02:00.
        let back = looks(&schedule, "2026-10-24T00:00:00Z", 3);
        assert_eq!(back, ["24 02:30:00", "25 02:30:00", "26 02:30:00"]);
        // An interval does not care.
        let every = spec(|monitor| monitor.every = Some(Duration::from_secs(3600)));
        let mut now = at("2026-03-29T00:00:00Z");
        for _ in 0..48 {
            let next = every.next(at("2026-03-28T00:00:00Z"), now, 0.0).unwrap();
            assert_eq!(next.unix_millis() - now.unix_millis(), 3_600_000);
            now = next;
        }
    }

    #[test]
    fn a_look_outside_the_active_hours_waits_for_them() {
        let office = |monitor: &mut Monitor| {
            monitor.zone = Some("America/New_York".to_owned());
            active(monitor, &[0, 1, 2, 3, 4], "08:00-18:00");
        };
        let every = spec(|monitor| {
            monitor.every = Some(Duration::from_secs(4 * 3600));
            office(monitor);
        });
        // From a Friday, the 6th of March 2026, over the weekend on which clocks go forward there.
        assert_eq!(
            looks(&every, "2026-03-06T14:00:00Z", 4),
            ["06 13:00:00", "06 17:00:00", "09 08:00:00", "09 10:00:00"]
        );
        let cron = spec(|monitor| {
            monitor.cron = Some("15 */6 * * *".to_owned());
            office(monitor);
        });
        assert_eq!(looks(&cron, "2026-03-06T14:00:00Z", 2), ["06 12:15:00", "09 12:15:00"]);
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_on_which_they_begin() {
        let night = spec(|monitor| {
            monitor.every = Some(Duration::from_secs(3600));
            active(monitor, &[4], "22:00-02:00");
        });
        // The 6th of March 2026 is a Friday.
        assert_eq!(
            looks(&night, "2026-03-06T00:00:00Z", 5),
            ["06 22:00:00", "06 23:00:00", "07 00:00:00", "07 01:00:00", "13 22:00:00"]
        );
        let day = spec(|monitor| {
            monitor.every = Some(Duration::from_secs(12 * 3600));
            active(monitor, &[], "06:00-24:00");
        });
        assert_eq!(looks(&day, "2026-03-06T00:00:00Z", 3), ["06 12:00:00", "07 06:00:00", "07 12:00:00"]);
    }

    #[test]
    fn jitter_puts_off_and_never_beyond_the_active_hours() {
        let schedule = spec(|monitor| {
            monitor.every = Some(Duration::from_secs(3600));
            monitor.jitter = Some(Duration::from_secs(600));
            active(monitor, &[], "08:00-10:05");
        });
        let next =
            |now, random| schedule.next(at("2026-03-01T00:00:00Z"), at(now), random).unwrap().to_string();
        assert_eq!(next("2026-03-01T08:00:00Z", 0.5), "2026-03-01T09:05:00Z");
        assert_eq!(next("2026-03-01T09:05:00Z", 0.0), "2026-03-01T10:00:00Z");
        assert_eq!(next("2026-03-01T09:05:00Z", 0.99), "2026-03-01T10:00:00Z");
        let default = Schedule::new(&Monitor::named("it"), Some("5m"), None).unwrap();
        assert_eq!(default.jitter, Duration::from_secs(30));
    }

    #[test]
    fn a_subscription_has_its_way_and_what_cannot_be_read_is_told() {
        let monitor = Monitor::named("it");
        let own = OwnSchedule::Every("1h".to_owned());
        let schedule = Schedule::new(&monitor, Some("5m"), Some(&own)).unwrap();
        assert!(matches!(schedule.rule, Rule::Every(every) if every.as_secs() == 3600));
        for own in [OwnSchedule::Every("soon".to_owned()), OwnSchedule::Cron("9 o'clock".to_owned())] {
            let error = Schedule::new(&monitor, Some("5m"), Some(&own)).unwrap_err();
            assert_eq!(error.code(), Code::OptionsInvalid, "{error}");
        }
        assert!(Schedule::new(&monitor, None, None).unwrap_err().message().contains("no schedule"));
        let never = cron("0 0 30 2 *", "UTC");
        assert_eq!(never.next(at("2026-03-01T00:00:00Z"), at("2026-03-01T00:00:00Z"), 0.0), None);
    }
}
