//! Pages of a list, each telling the next.

use linchpin::manifest::spec::{PagePlace, PageStyle, Pagination};
use serde_json::{Map, Value};
use wiremock::{Mock, matchers};

use crate::answer;

/// A mock for each page: the first is asked for without, the others with what the page before told, or what was counted.
pub(crate) fn mocks(pagination: &Pagination, url: &str, path: &str, pages: Vec<Value>) -> Vec<Mock> {
    let pagination = pagination.at(None);
    let style = &pagination.style;
    let linked = PagePlace::Query("linchpin_page".to_owned());
    let place = style.place().unwrap_or(&linked);
    let last = pages.len().saturating_sub(1);
    // What each page is asked for with.
    let mut places: Vec<Value> = Vec::new();
    let (mut items, mut id) = (0, Value::Null);
    for (index, body) in pages.iter().enumerate() {
        places.push(match style {
            PageStyle::PageNumber { first, .. } => (first + index as u64).into(),
            PageStyle::Offset { .. } => items.into(),
            PageStyle::Keyset { .. } => id.take(),
            _ => format!("page-{index}").into(),
        });
        let found = body.pointer(&pagination.items).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        items += found.len();
        if let (PageStyle::Keyset { id: pointer, .. }, Some(last)) = (style, found.last()) {
            id = last.pointer(pointer).cloned().unwrap_or_default();
        }
    }
    let plain = |place: &Value| place.as_str().map_or_else(|| place.to_string(), str::to_owned);
    let mock = |(index, mut body): (usize, Value)| {
        let next = places.get(index + 1).map(plain);
        let link = next.as_ref().map(|next| format!("{url}?linchpin_page={next}"));
        match (style, &next, &link) {
            (PageStyle::Cursor { cursor, .. }, Some(next), _) => put(&mut body, cursor, next.as_str().into()),
            (PageStyle::NextUrl { next }, _, Some(link)) => put(&mut body, next, link.as_str().into()),
            _ => {}
        }
        if let Some(pointer) = style.has_more() {
            put(&mut body, pointer, (index < last).into());
        }
        let mut answer = answer::json(200, body);
        match (style, &next, &link) {
            (PageStyle::LinkHeader, _, Some(link)) => {
                answer = answer.insert_header("link", format!("<{link}>; rel=\"next\"").as_str());
            }
            (PageStyle::CursorHeader { header, .. }, Some(next), _) => {
                answer = answer.insert_header(header.as_str(), next.as_str());
            }
            _ => {}
        }
        let mock = Mock::given(matchers::path(path));
        let mock = match (place, index) {
            (PagePlace::Query(name), 0) => mock.and(matchers::query_param_is_missing(name.as_str())),
            (PagePlace::Query(name), index) => {
                mock.and(matchers::query_param(name.as_str(), plain(&places[index])))
            }
            // It is used up when the others are asked for.
            (PagePlace::Body(_), 0) => mock.and(matchers::method("POST")),
            (PagePlace::Body(pointer), index) => {
                let mut wanted = Value::Null;
                put(&mut wanted, pointer, places[index].clone());
                mock.and(matchers::body_partial_json(wanted))
            }
        };
        let mock = match place {
            PagePlace::Query(_) => mock.and(matchers::method("GET")),
            PagePlace::Body(_) => mock,
        };
        mock.respond_with(answer).up_to_n_times(1).named(format!("page {index} of {path}"))
    };
    pages.into_iter().enumerate().map(mock).collect()
}

/// Puts a value at a JSON pointer (RFC 6901), with the objects on the way to it.
fn put(body: &mut Value, pointer: &str, value: Value) {
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
    *place = value;
}
