//! Lists that go in circles, elsewhere, or on for ever.

use linchpin::Code::{
    HostRefused, NotFound, PagingElsewhere, PagingLimit, PagingStuck, ResponseMalformed, ServiceFailed,
    Unreachable,
};

use super::{
    case::{Case, case, hold},
    server::{Answer, json, whole},
    tracker::{CURSOR, NEXT_URL, PAGE_NUMBER},
};

/// A page of one record, and where its `Link` leads.
fn link(id: u64, link: &str) -> Answer {
    whole("200 OK", &format!("link: <{link}>; rel=\"next\"\r\n"), &format!("[{{\"id\":{id}}}]"))
}

/// A page of one record, and what stands at `/next`.
fn next(id: u64, next: &str) -> Answer {
    json(&format!("{{\"items\":[{{\"id\":{id}}}],\"next\":{next}}}"))
}

// A table: what is wrong, what the service does, and below it what must come of it.
#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let elsewhere = |name, target: &str| {
        case("list", name, link(1, target)).fails(PagingElsewhere, "the list goes on at", 1).given([1])
    };
    let cursor = |name, answers: [Answer; 3]| case("list", name, answers).spec(CURSOR);
    vec![
        // In circles.
        case("list", "a page whose next is itself", link(1, "/things"))
            .fails(PagingStuck, "a second time", 2).given([1]),
        case("list", "a page whose next is itself, by name", link(1, "{here}/things"))
            .fails(PagingStuck, "a second time", 2).given([1]),
        case("list", "two pages that are each other's next", [link(1, "/b"), link(2, "/a"), link(3, "/b")])
            .fails(PagingStuck, "a second time", 3).given([1, 2]),
        case("list", "the same cursor for ever", next(1, "\"c\""))
            .spec(CURSOR).fails(PagingStuck, "a second time", 2).given([1]),
        cursor("two cursors in turn", [next(1, "\"a\""), next(2, "\"b\""), next(3, "\"a\"")])
            .fails(PagingStuck, "a second time", 3).given([1, 2]),
        case("list", "the same page for ever", json("{\"items\":[{\"id\":1}]}"))
            .spec(PAGE_NUMBER).fails(PagingStuck, "the same page a second time", 2).given([1]),
        case("list", "the same next URL for ever", next(1, "\"/things?page=2\""))
            .spec(NEXT_URL).fails(PagingStuck, "a second time", 2).given([1]),
        // On for ever, each page a new one.
        case("list", "a next that grows for ever", growing())
            .fails(PagingLimit, "`http.limits.pages`", 20).given(numbers(20)),
        case("list", "cursors that are new for ever", ever_new())
            .spec(CURSOR).fails(PagingLimit, "`http.limits.pages`", 20).given(numbers(20)),
        // Elsewhere.
        elsewhere("a next at another origin", "{elsewhere}/things"),
        elsewhere("a next at another port", "http://127.0.0.1:1/things"),
        elsewhere("a next at another name of the same", "http://localhost/things"),
        elsewhere("a next over https", "https://127.0.0.1/things"),
        elsewhere("a next without a scheme", "//evil.example/things"),
        elsewhere("a next with backslashes", "\\\\evil.example\\things"),
        elsewhere("a next at the metadata of a cloud", "http://169.254.169.254/latest"),
        elsewhere("a next that is a file", "file:///etc/passwd"),
        elsewhere("a next that is a script", "javascript:alert(1)"),
        case("list", "a next URL at another origin", next(1, "\"{elsewhere}/things\""))
            .spec(NEXT_URL).fails(PagingElsewhere, "the list goes on at", 1).given([1]),
        case("list", "a next URL with a user in it", next(1, "\"http://evil@127.0.0.1/\""))
            .spec(NEXT_URL).fails(PagingElsewhere, "the list goes on at", 1).given([1]),
        case("list", "a second page whose next is elsewhere", [link(1, "/b"), link(2, "{elsewhere}/things")])
            .fails(PagingElsewhere, "the list goes on at", 2).given([1, 2]),
        case("list", "a page that is redirected elsewhere",
            [link(1, "/b"), whole("302 Found", "location: {elsewhere}\r\n", "")])
            .fails(HostRefused, "public address", 2).given([1]),
        // Not pages.
        case("list", "an object for a list of records", json("{\"id\":1}"))
            .fails(ResponseMalformed, "is not what the flow expects", 1),
        case("list", "a list for an object with items", json("[{\"id\":1}]"))
            .spec(CURSOR).fails(ResponseMalformed, "is not what the flow expects", 1),
        case("list", "no items", json("{\"next\":\"c\"}"))
            .spec(CURSOR).fails(ResponseMalformed, "has no items at /items", 1),
        case("list", "items that are no list", json("{\"items\":{\"id\":1}}"))
            .spec(CURSOR).fails(ResponseMalformed, "is not what the flow expects", 1),
        case("list", "a cursor that is an object", next(1, "{}"))
            .spec(CURSOR).fails(ResponseMalformed, "", 1),
        case("list", "a cursor that is true", next(1, "true"))
            .spec(CURSOR).fails(ResponseMalformed, "", 1),
        case("list", "a cursor that is a fraction", next(1, "1.5"))
            .spec(CURSOR).fails(ResponseMalformed, "", 1),
        case("list", "a next URL that is none", next(1, "\"http://[\\u001b[2J\""))
            .spec(NEXT_URL).fails(ResponseMalformed, "is not a URL", 1).given([1]),
        case("list", "a next URL that is none, of a million letters",
            next(1, &format!("\"http://[{}\"", "x".repeat(1_000_000))))
            .spec(NEXT_URL).fails(ResponseMalformed, "is not a URL", 1).given([1]),
        cursor("a cursor that would break a query",
            [next(1, "\"a&b=c#d\\r\\nx-evil: e\""), json("{\"items\":[]}"), Answer::default()])
            .gives([1], 2).asks(&["GET /things HTTP/1.1", "GET /things?after=a%26b%3Dc%23d%0D%0Ax-evil%3A%20e HTTP/1.1"]),
        // Lists that break off.
        case("list", "a second page that is not found", [link(1, "/b"), whole("404 Not Found", "", "")])
            .fails(NotFound, "answered 404", 2).given([1]),
        case("list", "a third page that is closed", [link(1, "/b"), link(2, "/c"), Answer::default().closes()])
            .fails(Unreachable, "broke off", 6).given([1, 2]),
        case("list", "a second page that fails, then well",
            [link(1, "/b"), whole("503 Busy", "", ""), json("[{\"id\":2}]")])
            .gives([1, 2], 3),
        case("list", "a second page that fails for ever", [link(1, "/b"), whole("503 Busy", "", "")])
            .fails(ServiceFailed, "sent 4 times", 5).given([1]),
        case("list", "a second page of another shape", [link(1, "/b"), json("{\"error\":\"busy\"}")])
            .fails(ResponseMalformed, "is not what the flow expects", 2).given([1]),
        case("list", "a header of links that breaks off", whole("200 OK", "link: </b; rel=next\r\n", "[{\"id\":1}]"))
            .gives([1], 1),
    ]
}

/// Pages without end, each with a next that was not named before.
fn growing() -> [Answer; 30] {
    std::array::from_fn(|page| link(page as u64, &format!("/things?page={page}")))
}

fn ever_new() -> [Answer; 30] {
    std::array::from_fn(|page| next(page as u64, &format!("\"c{page}\"")))
}

fn numbers(count: u64) -> Vec<u64> {
    (0..count).collect()
}

#[tokio::test]
async fn a_list_comes_to_its_end_or_to_an_error() {
    hold(cases()).await;
}
