//! Which matches leave room for which others.

use crate::spec::{Condition, DeliveryMatch, Literal, ResponseMatch, StatusMatch};

/// Whether every status that `narrow` means is meant by `wide`.
pub(super) fn status_covers(wide: StatusMatch, narrow: StatusMatch) -> bool {
    match (wide, narrow) {
        (StatusMatch::Class(class), StatusMatch::Code(code)) => code / 100 == u16::from(class),
        (wide, narrow) => wide == narrow,
    }
}

/// Whether every response that `narrow` means is meant by `wide`.
pub(super) fn covers(wide: &ResponseMatch, narrow: &ResponseMatch) -> bool {
    let status = wide.status.is_empty()
        || (!narrow.status.is_empty()
            && narrow
                .status
                .iter()
                .all(|narrow| wide.status.iter().any(|wide| status_covers(*wide, *narrow))));
    let headers = wide.headers.iter().all(|(name, wide)| {
        narrow.headers.iter().any(|(other, narrow)| name.eq_ignore_ascii_case(other) && holds(wide, narrow))
    });
    let body = wide.body.iter().all(|(pointer, wide)| {
        narrow.body.iter().any(|(other, narrow)| {
            let there = *wide == Condition::Exists(true) && below(pointer, other) && is_there(narrow);
            there || (pointer == other && holds(wide, narrow))
        })
    });
    let text = match (&wide.text, &narrow.text) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => narrow.contains(wide),
        (Some(_), None) => false,
    };
    status && headers && body && text
}

/// Whether `wide` is true of everything of which `narrow` is.
fn holds(wide: &Condition, narrow: &Condition) -> bool {
    match (wide, narrow) {
        // Nothing in the list is a mistake of its own.
        (Condition::Is(any), Condition::Is(theirs)) => {
            !theirs.is_empty() && theirs.iter().all(|literal| any.contains(literal))
        }
        (Condition::Exists(true), narrow) => is_there(narrow),
        (wide, narrow) => wide == narrow,
    }
}

/// Whether only what is there meets the condition.
fn is_there(condition: &Condition) -> bool {
    !matches!(condition, Condition::Exists(false))
}

/// Two places of a body of which no response can meet both conditions: one lies inside the other, which is a plain value or nothing.
pub(super) fn contradiction(when: &ResponseMatch) -> Option<(&str, &str)> {
    when.body.iter().find_map(|(outer, condition)| {
        let inner = when.body.iter().find(|(inner, other)| below(outer, inner) && is_there(other));
        inner
            .filter(|_| *condition != Condition::Exists(true))
            .map(|(inner, _)| (outer.as_str(), inner.as_str()))
    })
}

/// The earlier rule that leaves nothing to this one, or the last of several that do so together, status by status.
pub(super) fn shadow(earlier: &[&ResponseMatch], when: &ResponseMatch) -> Option<usize> {
    let alone = |when: &ResponseMatch| earlier.iter().position(|earlier| covers(earlier, when));
    alone(when).or_else(|| {
        let each =
            when.status.iter().map(|status| alone(&ResponseMatch { status: vec![*status], ..when.clone() }));
        each.collect::<Option<Vec<_>>>()?.into_iter().max()
    })
}

/// Whether a delivery could match both: nothing asks for two values at one place.
pub(super) fn overlap(a: &DeliveryMatch, b: &DeliveryMatch) -> bool {
    let headers = a.headers.iter().any(|(name, value)| {
        b.headers.iter().any(|(other, theirs)| name.eq_ignore_ascii_case(other) && value != theirs)
    });
    let query = a
        .query
        .iter()
        .any(|(name, value)| b.query.iter().any(|(other, theirs)| name == other && value != theirs));
    let body = a.body.iter().any(|(pointer, value)| {
        b.body.iter().any(|(other, theirs)| {
            (pointer == other && !same(value, theirs)) || below(pointer, other) || below(other, pointer)
        })
    });
    !headers && !query && !body
}

/// Whether one place lies inside the other: both cannot be plain values.
fn below(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

fn same(a: &Literal, b: &Literal) -> bool {
    match (a, b) {
        (Literal::Integer(a), Literal::Float(b)) | (Literal::Float(b), Literal::Integer(a)) => {
            *a as f64 == *b
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn when(text: &str) -> ResponseMatch {
        let rule = format!("[[http.outcome]]\nwhen = {{ {text} }}\nthen = \"fail\"");
        crate::spec::read_checked(&rule).unwrap().http.outcomes.remove(0).when
    }

    #[test]
    fn a_rule_is_shadowed_by_weaker_ones_before_it() {
        for (earlier, later, shadowed) in [
            (&["body = { \"/a\" = { exists = true } }"][..], "body = { \"/a\" = 1 }", Some(0)),
            (&["body = { \"/a\" = { exists = true } }"], "body = { \"/a/b\" = { regex = \"x\" } }", Some(0)),
            (&["body = { \"/a\" = { exists = true } }"], "body = { \"/a\" = { exists = false } }", None),
            (
                &["body = { \"/a\" = { exists = false } }"],
                "body = { \"/a\" = { exists = false } }, status = 400",
                Some(0),
            ),
            (&["body = { \"/a\" = { regex = \"x\" } }"], "body = { \"/a\" = \"x\" }", None),
            (
                &["body = { \"/a\" = { regex = \"x\" } }"],
                "body = { \"/a\" = { regex = \"x\" } }, text = \"y\"",
                Some(0),
            ),
            (&["header = { X-A = { exists = true } }"], "header = { x-a = \"1\" }", Some(0)),
            (&["header = { X-A = \"1\" }"], "header = { x-a = { exists = true } }", None),
            (&["status = \"4xx\"", "status = 500"], "status = [404, 500]", Some(1)),
            (&["status = \"4xx\"", "status = 500"], "status = [404, 503]", None),
        ] {
            let earlier: Vec<_> = earlier.iter().map(|text| when(text)).collect();
            let earlier: Vec<_> = earlier.iter().collect();
            assert_eq!(shadow(&earlier, &when(later)), shadowed, "{later}");
        }
    }

    #[test]
    fn what_no_response_can_meet_is_told() {
        for (text, contradicts) in [
            ("body = { \"/a\" = 1, \"/a/b\" = 2 }", true),
            ("body = { \"/a\" = { exists = false }, \"/a/b\" = { exists = true } }", true),
            ("body = { \"/a/b\" = { regex = \"x\" }, \"/a\" = { regex = \"x\" } }", true),
            ("body = { \"/a\" = { exists = true }, \"/a/b\" = 2 }", false),
            ("body = { \"/a\" = 1, \"/a/b\" = { exists = false } }", false),
            ("body = { \"/a\" = 1, \"/ab\" = 2 }", false),
        ] {
            assert_eq!(contradiction(&when(text)).is_some(), contradicts, "{text}");
        }
    }
}
