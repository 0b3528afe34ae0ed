//! Where a list goes on: decided from what its pages say, without I/O.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use linchpin_manifest::spec::{PagePlace, PageStyle, PageTotal, Pagination};

use crate::{
    Code, Error, Result, json,
    page::Told,
    request::{Body, Request, Target},
};

/// So many pages without items may follow each other.
const EMPTY_PAGES: u32 = 100;

/// Which page of a list is meant, beside the first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Position {
    /// The one at a whole URL.
    Link(String),
    /// The one by a token of the service's.
    Token(Told),
    /// The one with a number, or behind so many items.
    Count(u64),
}

impl Position {
    /// A position as it was [told](Position::text).
    pub(crate) fn read(pagination: &Pagination, text: &str) -> Option<Position> {
        if text.is_empty() {
            return None;
        }
        match &pagination.style {
            PageStyle::LinkHeader | PageStyle::NextUrl { .. } => Some(Position::Link(text.to_owned())),
            PageStyle::PageNumber { .. } | PageStyle::Offset { .. } => text.parse().ok().map(Position::Count),
            style => {
                let json = matches!(style.place(), Some(PagePlace::Body(_)));
                Some(Position::Token(match serde_json::from_str(text) {
                    Ok(serde_json::Value::Number(number)) if json => Told::Number(number.to_string()),
                    Ok(serde_json::Value::String(token)) if json => Told::Text(token),
                    _ => Told::Text(text.to_owned()),
                }))
            }
        }
    }

    /// The position as a text, from which it can be [read](Position::read): the URL, the token or the number as it is, and in
    /// quotes a token for a body that would otherwise be read as something else.
    pub(crate) fn text(&self, pagination: &Pagination) -> String {
        match self {
            Position::Link(url) => url.clone(),
            Position::Count(count) => count.to_string(),
            Position::Token(Told::Number(token)) => token.clone(),
            Position::Token(Told::Flag(flag)) => flag.to_string(),
            Position::Token(Told::Text(token)) => {
                match Position::read(pagination, token).as_ref() == Some(self) {
                    true => token.clone(),
                    false => serde_json::Value::from(token.as_str()).to_string(),
                }
            }
        }
    }

    /// Asks for the page in place of the one that the request asks for.
    pub(crate) fn ask(
        self,
        pagination: &Pagination,
        request: &mut Request,
        from: Option<&str>,
    ) -> Result<()> {
        let (text, json) = match self {
            Position::Link(url) => {
                request.query.clear();
                request.target = match from {
                    Some(from) => Target::Next { link: url, from: from.into() },
                    None => Target::Url(url),
                };
                return Ok(());
            }
            Position::Count(count) => (count.to_string(), count.to_string()),
            Position::Token(Told::Number(token)) => (token.clone(), token),
            Position::Token(Told::Flag(flag)) => (flag.to_string(), flag.to_string()),
            Position::Token(Told::Text(token)) => {
                let json = serde_json::Value::from(token.as_str()).to_string();
                (token, json)
            }
        };
        match pagination.style.place() {
            Some(place) => put(place, request, text, json, true),
            None => Ok(()),
        }
    }
}

/// Asks for pages of a size: of this one, or of the spec's where the request does not ask for one itself.
pub(crate) fn ask_for_size(pagination: &Pagination, request: &mut Request, own: Option<u64>) -> Result<()> {
    let Some(size) = &pagination.page_size else {
        return match own {
            None => Ok(()),
            Some(_) => {
                let message = "the spec's `http.pagination` does not say how a page size is asked for";
                Err(Error::coded(Code::RequestInvalid, message).actor(crate::Actor::Author))
            }
        };
    };
    let asked = own.unwrap_or(size.value);
    let asked = size.max.map_or(asked, |max| asked.min(max)).max(1).to_string();
    put(&size.place, request, asked.clone(), asked, own.is_some())
}

/// Puts a value where the request takes it, over or under what is there.
fn put(place: &PagePlace, request: &mut Request, text: String, json: String, over: bool) -> Result<()> {
    match place {
        PagePlace::Query(name) => {
            if over {
                request.query.retain(|(given, _)| given != name);
            } else if request.query.iter().any(|(given, _)| given == name) {
                return Ok(());
            }
            request.query.push((name.clone().into(), text));
        }
        PagePlace::Body(pointer) => {
            let wrong = |problem: &str| {
                let message = format!("the list goes on by `{pointer}` in the body, {problem}");
                Error::coded(Code::RequestInvalid, message).actor(crate::Actor::Author)
            };
            let body = match &request.body {
                None => "null",
                Some(Body::Bytes(bytes)) => {
                    std::str::from_utf8(bytes).map_err(|_| wrong("which is not JSON"))?
                }
                Some(Body::Parts(_)) => return Err(wrong("which has files")),
            };
            let tokens = json::tokens(pointer);
            if over || !json::has(body, &tokens) {
                let put = json::put(body, &tokens, json).map_err(|_| wrong("where no object is"))?;
                request.set_body("application/json", put.into());
            }
        }
    }
    Ok(())
}

/// What a page says.
#[derive(Debug)]
pub(crate) struct Facts {
    /// How many items it has.
    pub(crate) count: usize,
    /// The way to the next page, or how long the list is; links as whole URLs.
    pub(crate) told: Option<Told>,
    /// Whether there is more.
    pub(crate) more: Option<Told>,
    /// What tells it from other pages.
    pub(crate) print: u64,
}

/// Why a list cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It goes round, or nowhere: a message, and the position reached.
    Stuck(String, Option<Position>),
    /// What is at the pointer is of no use.
    Malformed(&'static str),
}

/// How far a list has been walked.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The page that was asked for last; none for the first.
    pub(crate) here: Option<Position>,
    pub(crate) pages: u64,
    /// How many items have been seen; none where the list was not walked from its beginning.
    items: Option<u64>,
    empty: u32,
    /// Hashes of the positions visited and of pages that could be all the same, so that memory does not grow with long cursors.
    seen: HashSet<u64>,
    pub(crate) hasher: RandomState,
}

impl Walk {
    /// From the first page, or from another.
    pub(crate) fn from(here: Option<Position>) -> Walk {
        let mut walk = Walk { items: here.is_none().then_some(0), ..Walk::default() };
        if let Some(here) = &here {
            walk.visit(here);
        }
        walk.here = here;
        walk
    }

    /// Whether it is the first visit.
    fn visit(&mut self, position: &Position) -> bool {
        self.seen.insert(self.hasher.hash_one(position))
    }

    /// The page behind the one that says this; none behind the last.
    pub(crate) fn advance(&mut self, style: &PageStyle, facts: Facts) -> Result<Option<Position>, Fault> {
        let count = facts.count as u64;
        self.pages += 1;
        self.items = self.items.and_then(|items| items.checked_add(count));
        self.empty = if count == 0 { self.empty + 1 } else { 0 };
        let more = facts.more.as_ref().map(Told::flag).transpose().map_err(Fault::Malformed)?;
        if more == Some(false) {
            return Ok(None);
        }
        let next = match self.told(style, &facts, more)? {
            Onward::Next(next) => next,
            Onward::End => return Ok(None),
            Onward::Nothing if more == Some(true) => {
                let message = "the service says that there is more, but not where".to_owned();
                return Err(Fault::Stuck(message, self.here.clone()));
            }
            Onward::Nothing => return Ok(None),
        };
        // What counts up never comes back to a position; a service that does not know the parameter gives one page for ever.
        if matches!(next, Position::Count(_)) && count > 0 && !self.seen.insert(facts.print) {
            let place = match style.place() {
                Some(PagePlace::Query(place) | PagePlace::Body(place)) => place,
                None => "",
            };
            let message = format!("the service gives the same page a second time; does it know `{place}`?");
            return Err(Fault::Stuck(message, self.here.clone()));
        }
        if !self.visit(&next) {
            let message =
                format!("the service names the same next page a second time, after {} pages", self.pages);
            return Err(Fault::Stuck(message, Some(next)));
        }
        if self.empty >= EMPTY_PAGES {
            let message = format!("the service gave {EMPTY_PAGES} pages without items in a row");
            return Err(Fault::Stuck(message, Some(next)));
        }
        self.here = Some(next.clone());
        Ok(Some(next))
    }

    fn told(&self, style: &PageStyle, facts: &Facts, more: Option<bool>) -> Result<Onward, Fault> {
        let told = facts.told.clone();
        let total = told.as_ref().and_then(Told::count);
        let count = facts.count as u64;
        // Of what is counted an empty page is the end, unless the service says otherwise.
        let over = count == 0 && more != Some(true);
        let here = match self.here {
            Some(Position::Count(here)) => Some(here),
            _ => None,
        };
        let counted = |next: Option<u64>, all: bool| match next.filter(|_| !over && !all) {
            Some(next) => Onward::Next(Position::Count(next)),
            None => Onward::End,
        };
        let token = |token| match (style.place(), token) {
            (Some(PagePlace::Query(_)), Told::Number(token)) => {
                Onward::Next(Position::Token(Told::Text(token)))
            }
            (_, token) => Onward::Next(Position::Token(token)),
        };
        Ok(match style {
            PageStyle::LinkHeader | PageStyle::NextUrl { .. } => match told {
                Some(Told::Text(url)) if !url.is_empty() => Onward::Next(Position::Link(url)),
                _ => Onward::Nothing,
            },
            PageStyle::Cursor { .. } | PageStyle::CursorHeader { .. } => {
                match told.map(Told::cursor).transpose().map_err(Fault::Malformed)?.flatten() {
                    Some(cursor) => token(cursor),
                    None => Onward::Nothing,
                }
            }
            PageStyle::Keyset { .. } if count == 0 => Onward::Nothing,
            PageStyle::Keyset { .. } => match told {
                Some(id @ (Told::Text(_) | Told::Number(_))) => token(id),
                _ => return Err(Fault::Malformed("nothing to name the last item by")),
            },
            PageStyle::PageNumber { first, total: kind, .. } => {
                let number = here.unwrap_or(*first);
                let all = match (kind, total) {
                    (Some(PageTotal::Items(_)), Some(total)) => {
                        self.items.is_some_and(|items| items >= total)
                    }
                    (Some(PageTotal::Pages(_)), Some(total)) => {
                        number.saturating_sub(*first).saturating_add(1) >= total
                    }
                    _ => false,
                };
                counted(number.checked_add(1), all)
            }
            PageStyle::Offset { .. } => {
                let next = here.unwrap_or_default().checked_add(count);
                counted(next, total.is_some_and(|total| next.is_none_or(|next| next >= total)))
            }
            _ => Onward::Nothing,
        })
    }
}

/// What a page says of the next, before it is believed.
enum Onward {
    Next(Position),
    /// It is the last.
    End,
    Nothing,
}

#[cfg(test)]
mod tests {
    use http::Method;
    use proptest::prelude::*;

    use super::*;

    fn by(style: PageStyle) -> Pagination {
        let spec = "schema = 1\nhttp = { base_url = \"https://a.example\", pagination = { style = \"link-header\" } }";
        let mut read = linchpin_manifest::spec::read_checked(spec).unwrap();
        let mut pagination = read.http.pagination.take().unwrap();
        pagination.style = style;
        pagination
    }

    fn cursor(place: PagePlace) -> Pagination {
        by(PageStyle::Cursor { cursor: "/next".into(), place, has_more: None })
    }

    fn asked(pagination: &Pagination, position: Position, body: Option<&str>) -> Result<String> {
        let mut request = Request::new(Method::POST, Target::Path("/things".into()));
        request.body = body.map(|body| Body::Bytes(body.to_owned().into()));
        position.ask(pagination, &mut request, None)?;
        Ok(match request.body {
            Some(Body::Bytes(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => request.encoded_query(),
        })
    }

    #[test]
    fn a_cursor_in_the_body_leaves_every_other_value_as_it_is_written() {
        let pagination = cursor(PagePlace::Body("/variables/after".into()));
        let token = || Position::Token(Told::Text("a\"b".into()));
        let body = r#"{"query": "{ x }", "variables": {"price": 1.10, "big": 12345678901234567890123, "after": null}}"#;
        let made = asked(&pagination, token(), Some(body)).unwrap();
        let expected =
            r#"{"query":"{ x }","variables":{"after":"a\"b","big":12345678901234567890123,"price":1.10}}"#;
        assert_eq!(made, expected);
        assert_eq!(asked(&pagination, token(), None).unwrap(), r#"{"variables":{"after":"a\"b"}}"#);
        let seven = Position::Token(Told::Number("7".into()));
        assert_eq!(asked(&pagination, seven, Some("{}")).unwrap(), r#"{"variables":{"after":7}}"#);
        for wrong in ["[]", r#"{"variables": 1}"#, "no"] {
            assert_eq!(
                asked(&pagination, token(), Some(wrong)).unwrap_err().code(),
                Code::RequestInvalid,
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_size_is_asked_for_up_to_the_largest() {
        let mut pagination = cursor(PagePlace::Query("after".into()));
        let spec = "schema = 1\nhttp = { base_url = \"https://a.example\", pagination = { style = \"link-header\", page_size = { query = \"n\", value = 50, max = 100 } } }";
        pagination.page_size =
            linchpin_manifest::spec::read_checked(spec).unwrap().http.pagination.unwrap().page_size;
        for (given, own, expected) in [
            (None, None, "n=50"),
            (None, Some(70), "n=70"),
            (None, Some(700), "n=100"),
            (Some("3"), None, "n=3"),
            (Some("3"), Some(9), "n=9"),
        ] {
            let mut request = Request::new(Method::GET, Target::Path("/things".into()));
            request.query.extend(given.map(|given| ("n".into(), given.to_owned())));
            ask_for_size(&pagination, &mut request, own).unwrap();
            assert_eq!(request.encoded_query(), expected);
        }
        pagination.page_size = None;
        let mut request = Request::new(Method::GET, Target::Path("/things".into()));
        assert!(ask_for_size(&pagination, &mut request, None).is_ok());
        assert_eq!(
            ask_for_size(&pagination, &mut request, Some(5)).unwrap_err().code(),
            Code::RequestInvalid
        );
    }

    #[test]
    fn a_hundred_empty_pages_in_a_row_are_no_list() {
        let style = cursor(PagePlace::Query("after".into())).style;
        let mut walk = Walk::from(None);
        let facts =
            |at: u32, count| Facts { count, told: Some(Told::Number(at.to_string())), more: None, print: 0 };
        for at in 0..99 {
            assert!(walk.advance(&style, facts(at, 0)).is_ok());
        }
        assert!(walk.advance(&style, facts(99, 1)).is_ok(), "one item, and it counts anew");
        let end = (100..).map(|at| (at, walk.advance(&style, facts(at, 0)))).find(|(_, next)| next.is_err());
        assert!(matches!(end, Some((199, Err(Fault::Stuck(_, Some(_)))))), "{end:?}");
    }

    #[test]
    fn a_service_that_has_more_but_says_not_where_is_stuck() {
        let style = PageStyle::Cursor {
            cursor: "/next".into(),
            place: PagePlace::Query("after".into()),
            has_more: Some("/more".into()),
        };
        let mut walk = Walk::from(None);
        let facts = |told, more| Facts { count: 1, told, more: Some(Told::Flag(more)), print: 0 };
        assert!(matches!(walk.advance(&style, facts(None, true)), Err(Fault::Stuck(..))));
        assert_eq!(walk.advance(&style, facts(Some(Told::Text("x".into())), false)), Ok(None));
        let unreadable = Facts { count: 1, told: None, more: Some(Told::Text("perhaps".into())), print: 0 };
        assert!(matches!(walk.advance(&style, unreadable), Err(Fault::Malformed(_))));
    }

    proptest! {
        #[test]
        fn a_position_is_read_as_it_was_told(token in "\\PC{1,12}|[0-9]{1,20}|\"[a-z]*\"", number in any::<u64>()) {
            for place in [PagePlace::Query("after".into()), PagePlace::Body("/after".into())] {
                let pagination = cursor(place.clone());
                let number = match place {
                    PagePlace::Query(_) => Told::Text(number.to_string()),
                    PagePlace::Body(_) => Told::Number(number.to_string()),
                };
                for told in [Told::Text(token.clone()), number] {
                    let position = Position::Token(told);
                    let text = position.text(&pagination);
                    prop_assert_eq!(Position::read(&pagination, &text), Some(position));
                }
                let offset = by(PageStyle::Offset { place, has_more: None, total: None });
                let position = Position::Count(7);
                let text = position.text(&offset);
                prop_assert_eq!(Position::read(&offset, &text), Some(position));
            }
        }
    }
}
