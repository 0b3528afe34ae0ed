//! Durations and sizes as specs and attributes write them.

use std::time::Duration;

const SPANS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads `500ms`, `30s`, `5m`, `1h` or `2d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &SPANS).map(Duration::from_millis)
}

/// Writes a duration in its largest whole unit.
pub fn format_duration(duration: Duration) -> String {
    format(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &SPANS)
}

/// Reads `512B`, `64KiB`, `32MiB` or `1GiB`, in bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZES)
}

/// Writes a number of bytes in its largest whole unit.
pub fn format_size(bytes: u64) -> String {
    format(bytes, &SIZES)
}

/// Reads `5000/1h`: how many, and in which time.
pub fn parse_budget(text: &str) -> Option<(u64, Duration)> {
    let (requests, window) = text.split_once('/')?;
    let requests = number(requests).filter(|requests| *requests > 0)?;
    let window = parse_duration(window).filter(|window| !window.is_zero())?;
    Some((requests, window))
}

/// The days of the week as specs write them, from Monday on.
pub const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Reads `08:00-18:00` as minutes after midnight; the end may be earlier than the beginning, on the next day, but not the same. `24:00`
/// is the end of a day.
pub fn parse_hours(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minutes(from)?, minutes(to)?);
    (from < 24 * 60 && from != to).then_some((from, to))
}

/// Minutes after midnight of `18:30`.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= 24 * 60).then(|| u16::try_from(all).ok()).flatten()
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number_text, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number(number_text)?.checked_mul(*factor)
}

fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn format(number: u64, units: &[(&str, u64)]) -> String {
    let fits = units.iter().rev().find(|(_, factor)| number != 0 && number.is_multiple_of(*factor));
    let (unit, factor) = fits.copied().unwrap_or(units[0]);
    format!("{}{unit}", number / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_two_times_of_a_day() {
        assert_eq!(parse_hours("08:00-18:30"), Some((480, 1110)));
        assert_eq!(parse_hours("22:00-06:00"), Some((1320, 360)));
        assert_eq!(parse_hours("00:00-24:00"), Some((0, 1440)));
        for text in
            ["8-18", "08:00", "08:00-08:00", "08:60-09:00", "24:00-01:00", "08:00-24:01", "8:00-18:00", "-"]
        {
            assert_eq!(parse_hours(text), None, "{text}");
        }
    }

    #[test]
    fn durations_round_trip() {
        for text in ["500ms", "30s", "5m", "1h", "2d", "90s"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        for text in ["", "5", "m", "1.5s", "-1s", "5 m", "5min", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_round_trip() {
        for text in ["512B", "64KiB", "32MiB", "1GiB"] {
            assert_eq!(format_size(parse_size(text).unwrap()), text);
        }
        assert_eq!(parse_size("32MB"), None);
    }

    #[test]
    fn a_budget_has_requests_and_a_window() {
        assert_eq!(parse_budget("5000/1h"), Some((5000, Duration::from_secs(3600))));
        for text in ["5000", "0/1h", "5/0s", "+5/1h", "5/1h/2"] {
            assert_eq!(parse_budget(text), None, "{text}");
        }
    }
}
