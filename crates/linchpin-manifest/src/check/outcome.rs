//! Which matches leave room for which others.

use crate::spec::{DeliveryMatch, Literal, ResponseMatch, StatusMatch};

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
    let headers = wide.headers.iter().all(|(name, value)| {
        narrow.headers.iter().any(|(other, theirs)| name.eq_ignore_ascii_case(other) && value == theirs)
    });
    let body = wide.body.iter().all(|(pointer, any)| {
        narrow.body.iter().any(|(other, theirs)| {
            // Nothing in the list is a mistake of its own.
            pointer == other && !theirs.is_empty() && theirs.iter().all(|literal| any.contains(literal))
        })
    });
    let text = match (&wide.text, &narrow.text) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => narrow.contains(wide),
        (Some(_), None) => false,
    };
    status && headers && body && text
}

/// Whether a delivery could match both: nothing asks for two values at one place.
pub(super) fn overlap(a: &DeliveryMatch, b: &DeliveryMatch) -> bool {
    let headers = a.headers.iter().any(|(name, value)| {
        b.headers.iter().any(|(other, theirs)| name.eq_ignore_ascii_case(other) && value != theirs)
    });
    let body = a.body.iter().any(|(pointer, value)| {
        b.body.iter().any(|(other, theirs)| {
            (pointer == other && !same(value, theirs)) || below(pointer, other) || below(other, pointer)
        })
    });
    !headers && !body
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
