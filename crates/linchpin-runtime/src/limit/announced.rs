//! What services say of their limits without being asked (draft-ietf-httpapi-ratelimit-headers, up to -11).

use std::time::Duration;

use http::HeaderMap;

/// For how long nothing is left, by the fields of that draft in any of its forms; none where something is left, or nothing is said.
///
/// Since -08 it is `RateLimit: "default";r=0;t=30`, with an item for each policy; in -07 it was `RateLimit: limit=10, remaining=0,
/// reset=30`, and before `RateLimit-Remaining: 0` and `RateLimit-Reset: 30`. The times are seconds from now.
pub(crate) fn none_left(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let combined = headers.get_all("ratelimit").iter().filter_map(|value| value.to_str().ok());
    let former = Item {
        left: text("ratelimit-remaining").and_then(number),
        reset: text("ratelimit-reset").and_then(number),
    };
    let used_up = combined.flat_map(items).chain([former]).filter(|item| item.left == Some(0));
    used_up.filter_map(|item| item.reset).max().map(Duration::from_secs)
}

/// What is said of one limit.
#[derive(Debug, Default)]
struct Item {
    left: Option<u64>,
    reset: Option<u64>,
}

fn items(value: &str) -> Vec<Item> {
    // Policies' names are texts without commas or semicolons in all that is seen; one that has them is not understood.
    let mut list = Vec::new();
    let mut whole = Item::default();
    for item in value.split(',') {
        let mut one = Item::default();
        for parameter in item.split(';') {
            match parameter.split_once('=').map(|(name, value)| (name.trim(), number(value))) {
                Some(("r", value)) => one.left = value,
                Some(("t", value)) => one.reset = value,
                Some(("remaining", value)) => whole.left = value,
                Some(("reset", value)) => whole.reset = value,
                _ => {}
            }
        }
        list.push(one);
    }
    list.push(whole);
    list
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_draft_is_read() {
        let left = |fields: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, value.parse().unwrap());
            }
            none_left(&headers).map(|wait| wait.as_secs())
        };
        assert_eq!(left(&[("ratelimit", "\"default\";r=0;t=30")]), Some(30));
        assert_eq!(left(&[("ratelimit", "\"burst\";r=0;t=1, \"day\"; r=0; t=900")]), Some(900));
        assert_eq!(left(&[("ratelimit", "\"burst\";r=0;t=1"), ("ratelimit", "\"day\";r=5;t=900")]), Some(1));
        assert_eq!(left(&[("ratelimit", "limit=10, remaining=0, reset=7")]), Some(7));
        assert_eq!(left(&[("ratelimit-remaining", "0"), ("ratelimit-reset", " 5 ")]), Some(5));
        for more in
            ["\"default\";r=1;t=30", "limit=10, remaining=2, reset=7", "", ";;==,", "r=-1;t=x", "\"a\";r=0"]
        {
            assert_eq!(left(&[("ratelimit", more)]), None, "{more}");
        }
        assert_eq!(left(&[]), None);
    }
}
