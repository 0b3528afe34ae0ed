//! Pages of a list, each telling the next.

use linchpin::manifest::spec::{PageStyle, Pagination};
use serde_json::{Map, Value};
use wiremock::{Mock, matchers};

use crate::answer;

/// A mock for each page: the first is asked for without, the others with what the page before told, or what was counted.
pub(crate) fn mocks(pagination: &Pagination, url: &str, path: &str, pages: Vec<Value>) -> Vec<Mock> {
    let told = match &pagination.style {
        PageStyle::Cursor { query, .. }
        | PageStyle::CursorHeader { query, .. }
        | PageStyle::PageNumber { query, .. }
        | PageStyle::Offset { query, .. } => query,
        _ => "linchpin_page",
    };
    let mut places = Vec::new();
    let mut items = 0;
    for (index, body) in pages.iter().enumerate() {
        places.push(match &pagination.style {
            PageStyle::PageNumber { first, .. } => (first + index as u64).to_string(),
            PageStyle::Offset { .. } => items.to_string(),
            _ => format!("page-{index}"),
        });
        items += body.pointer(&pagination.items).and_then(Value::as_array).map_or(0, Vec::len);
    }
    let mock = |(index, mut body): (usize, Value)| {
        let next = places.get(index + 1);
        let link = next.map(|next| format!("{url}?{told}={next}"));
        match (&pagination.style, next, &link) {
            (PageStyle::Cursor { cursor, .. }, Some(next), _) => put(&mut body, cursor, next),
            (PageStyle::NextUrl { next }, _, Some(link)) => put(&mut body, next, link),
            _ => {}
        }
        let mut answer = answer::json(200, body);
        match (&pagination.style, next, &link) {
            (PageStyle::LinkHeader, _, Some(link)) => {
                answer = answer.insert_header("link", format!("<{link}>; rel=\"next\"").as_str());
            }
            (PageStyle::CursorHeader { header, .. }, Some(next), _) => {
                answer = answer.insert_header(header.as_str(), next.as_str());
            }
            _ => {}
        }
        let mock = Mock::given(matchers::method("GET")).and(matchers::path(path));
        let mock = match index {
            0 => mock.and(matchers::query_param_is_missing(told)),
            index => mock.and(matchers::query_param(told, places[index].as_str())),
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
