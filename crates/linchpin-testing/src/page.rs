//! Pages of a list, each telling the next.

use linchpin::manifest::spec::{PageStyle, Pagination};
use serde_json::{Map, Value};
use wiremock::{Mock, matchers};

use crate::answer;

/// A mock for each page: the first is asked for without, the others with what the page before told.
pub(crate) fn mocks(pagination: &Pagination, url: &str, path: &str, pages: Vec<Value>) -> Vec<Mock> {
    let last = pages.len().saturating_sub(1);
    let told = match &pagination.style {
        PageStyle::Cursor { query, .. } => query,
        _ => "linchpin_page",
    };
    let mock = |(index, mut body): (usize, Value)| {
        let next = (index < last).then(|| format!("page-{}", index + 1));
        if let (PageStyle::Cursor { cursor, .. }, Some(next)) = (&pagination.style, &next) {
            put(&mut body, cursor, next);
        }
        let mut answer = answer::json(200, body);
        if let (PageStyle::LinkHeader, Some(next)) = (&pagination.style, &next) {
            let link = format!("<{url}?{told}={next}>; rel=\"next\"");
            answer = answer.insert_header("link", link.as_str());
        }
        let mock = Mock::given(matchers::method("GET")).and(matchers::path(path));
        let mock = match index {
            0 => mock.and(matchers::query_param_is_missing(told)),
            index => mock.and(matchers::query_param(told, format!("page-{index}"))),
        };
        mock.respond_with(answer).up_to_n_times(1).named(format!("page {index} of {path}"))
    };
    pages.into_iter().enumerate().map(mock).collect()
}

/// Puts a text at a JSON pointer (RFC 6901), with the objects on the way to it.
fn put(body: &mut Value, pointer: &str, text: &str) {
    let tokens = pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
    let place = tokens.fold(body, |place, token| {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let object = place.as_object_mut();
        object
            .unwrap_or_else(|| panic!("the cursor stands at `{pointer}`, where no object is"))
            .entry(token)
            .or_insert(Value::Null)
    });
    *place = text.into();
}
