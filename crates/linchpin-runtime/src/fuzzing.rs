//! What must hold of any bytes: fuzz targets call it, and tests with what they have found.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::SERVER};
use linchpin::{
    Response,
    manifest::spec::{Condition, Literal, ResponseMatch},
};
use regex::Regex;
use serde_json::Value;

use crate::outcome::{Patterns, matches, value_at};

/// Conditions on an answer agree with each other, and find what stands at a pointer. The bytes are four lines, a pointer, a literal, a
/// regular expression and a header, and a body.
pub fn outcome(data: &[u8]) {
    let mut parts = data.splitn(5, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let [pointer, literal, pattern, header, body] = [next(), next(), next(), next(), next()];
    let [Ok(pointer), Ok(literal), Ok(pattern)] = [pointer, literal, pattern].map(std::str::from_utf8) else {
        return;
    };
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return;
    }
    let mut headers = HeaderMap::new();
    headers.extend(HeaderValue::from_bytes(header).ok().map(|value| (SERVER, value)));
    let sent = !headers.is_empty();
    let answer = Response::new(StatusCode::OK, headers, Bytes::copy_from_slice(body), "".into());
    let patterns = Regex::new(pattern).ok().map(|regex| (pattern.to_owned(), regex));
    let patterns = Patterns(Arc::new(patterns.into_iter().collect::<HashMap<_, _>>()));
    let holds = |condition: Condition| {
        let (mut of_body, mut of_header) = (ResponseMatch::default(), ResponseMatch::default());
        of_body.body.push((pointer.to_owned(), condition.clone()));
        of_header.headers.push(("server".to_owned(), condition));
        [matches(&of_body, &patterns, &answer), matches(&of_header, &patterns, &answer)]
    };
    let [in_body, in_header] = holds(Condition::Exists(true));
    assert_eq!(holds(Condition::Exists(false)), [!in_body, !in_header]);
    assert_eq!(in_header, sent);
    for condition in
        [Condition::Is(vec![Literal::Text(literal.to_owned())]), Condition::Regex(pattern.to_owned())]
    {
        let [body, header] = holds(condition);
        assert!((in_body || !body) && (in_header || !header));
    }
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        assert_eq!(value_at(body, pointer).as_ref(), value.pointer(pointer));
    }
}

#[cfg(test)]
#[test]
fn what_fuzzing_has_found_holds_of_outcomes() {
    let corpus = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/outcome")).unwrap();
    let files: Vec<_> = corpus.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!((1..=100).contains(&files.len()));
    files.iter().for_each(|file| outcome(file));
}
