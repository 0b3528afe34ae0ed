//! Refusals, outages and orders to wait.

use linchpin::Code::{Forbidden, NotFound, RateLimited, Rejected, ServiceFailed, Unauthorized, Unreachable};

use super::{
    case::{Case, case, hold},
    server::{json, says, whole},
    tracker::LIMITED,
};

/// The connection's clock begins at 2026-01-01T00:00:00Z.
const IN_NINE_SECONDS: &str = "retry-after: Thu, 01 Jan 2026 00:00:09 GMT";

// A table: what is wrong, what the service does, and below it what must come of it.
#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let busy =
        |header: &str| [whole("429 Too Many Requests", &format!("{header}\r\n"), ""), json("{\"id\":2}")];
    let used_up = |reset: &str| busy(&format!("x-left: 0\r\nx-reset: {reset}"));
    vec![
        // Too many requests.
        case("thing", "429 for seconds", busy("retry-after: 7")).gives(2, 2).waits(7),
        case("thing", "429 until a date", busy(IN_NINE_SECONDS)).gives(2, 2).waits(9),
        case("thing", "429 until a date in the style of RFC 850",
            busy("retry-after: Thursday, 01-Jan-26 00:00:09 GMT"))
            .gives(2, 2).waits(9),
        case("thing", "429 until a date in the style of C", busy("retry-after: Thu Jan  1 00:00:09 2026"))
            .gives(2, 2).waits(9),
        case("thing", "429 until a date that is past", busy("retry-after: Fri, 31 Dec 1999 23:59:59 GMT"))
            .gives(2, 2).waits(0),
        case("thing", "429 for no time", busy("retry-after: 0")).gives(2, 2).waits(0),
        case("thing", "429 without a word", busy("x: y")).gives(2, 2).waits(0),
        case("thing", "429 for a while", busy("retry-after: a while")).gives(2, 2).waits(0),
        case("thing", "429 for a negative time", busy("retry-after: -7")).gives(2, 2).waits(0),
        case("thing", "429 for a fraction", busy("retry-after: 1.5")).gives(2, 2).waits(0),
        case("thing", "429 for half an hour", busy("retry-after: 1800")).fails(RateLimited, "in 1800 s", 1),
        case("thing", "429 until long after", busy("retry-after: Fri, 31 Dec 9999 23:59:59 GMT"))
            .fails(RateLimited, "the service may take it again in", 1),
        case("thing", "429 for longer than 64 bits can say", busy("retry-after: 99999999999999999999999"))
            .fails(RateLimited, "the service may take it again in", 1),
        case("thing", "429 for as long as 64 bits can say", busy("retry-after: 18446744073709551615"))
            .spec(LIMITED).fails(RateLimited, "the service may take it again in", 1),
        case("append", "429 after a write", busy("retry-after: 7"))
            .fails(RateLimited, "it was not sent again", 1),
        case("create", "429 after a keyed write", busy("retry-after: 7")).gives(2, 2).waits(7),
        case("thing", "429 for ever", whole("429 Too Many Requests", "retry-after: 7\r\n", ""))
            .fails(RateLimited, "sent 4 times", 4).waits(21),
        case("thing", "a limit that is free in five seconds", used_up("5"))
            .spec(LIMITED).gives(2, 2).waits(5),
        case("thing", "a limit that is free at a time in seconds", used_up("1767225605"))
            .spec(LIMITED).gives(2, 2).waits(5),
        case("thing", "a limit that is free at a time in milliseconds", used_up("1767225605000"))
            .spec(LIMITED).gives(2, 2).waits(5),
        case("thing", "a limit that was free in 1970", used_up("400000000"))
            .spec(LIMITED).gives(2, 2).waits(0),
        case("thing", "a limit that is free at no number", used_up("NaN")).spec(LIMITED).gives(2, 2).waits(0),
        case("thing", "a limit that is free at infinity", used_up("1e999"))
            .spec(LIMITED).gives(2, 2).waits(0),
        case("thing", "a limit that is free in the negative", used_up("-5"))
            .spec(LIMITED).gives(2, 2).waits(0),
        case("twice", "a good answer with a limit used up for an hour",
            whole("200 OK", "x-left: 0\r\nx-reset: 3600\r\n", "{\"id\":2}"))
            .spec(LIMITED).fails(RateLimited, "the rate limit is used up", 1),
        // Broken.
        case("thing", "503 three times, then well",
            [
                whole("503 Service Unavailable", "", ""),
                whole("500 Internal Server Error", "", ""),
                whole("502 Bad Gateway", "", ""),
                json("{\"id\":2}"),
            ])
            .gives(2, 4),
        case("thing", "503 for ever", whole("503 Service Unavailable", "", ""))
            .fails(ServiceFailed, "sent 4 times", 4),
        case("thing", "503 for seconds",
            [whole("503 Service Unavailable", "retry-after: 7\r\n", ""), json("{\"id\":2}")])
            .gives(2, 2).waits(7),
        case("thing", "503 for a day", whole("503 Service Unavailable", "retry-after: 86400\r\n", ""))
            .fails(ServiceFailed, "in 86400 s", 1),
        case("append", "503 after a write", whole("503 Service Unavailable", "", ""))
            .fails(ServiceFailed, "look at the service whether it has happened", 1),
        case("create", "500 after a keyed write", [whole("500 Internal Server Error", "", ""), json("{\"id\":2}")])
            .gives(2, 2),
        case("thing", "501", whole("501 Not Implemented", "", ""))
            .fails(ServiceFailed, "501 Not Implemented", 1),
        case("thing", "500 with a page",
            whole("500 Oops", "content-type: text/html\r\n", "<script>alert(1)</script>"))
            .fails(ServiceFailed, "answered 500 Internal Server Error", 4),
        case("thing", "500 with a text that moves the cursor",
            whole("500 Oops", "content-type: text/plain\r\n", "\x1b[2J\u{9b}2J\r\nfine"))
            .fails(ServiceFailed, "answered 500: [2J 2J fine", 4),
        case("thing", "500 with a message of a million letters",
            whole("500 Oops", "content-type: application/json\r\n", &format!("{{\"message\":\"{}\"}}", "x".repeat(1_000_000))))
            .fails(ServiceFailed, "answered 500: xxx", 4),
        case("thing", "500 with a code that moves the cursor",
            whole("500 Oops", "", "{\"code\":\"\\u001b[2J\",\"message\":\"\\u009b2J\"}"))
            .fails(ServiceFailed, "answered 500: 2J", 4),
        case("thing", "500 with JSON that breaks off", whole("500 Oops", "", "{\"message\":\"x"))
            .fails(ServiceFailed, "answered 500", 4),
        case("thing", "503 that breaks off", says("HTTP/1.1 503 Busy\r\ncontent-length: 9\r\n\r\n<").closes())
            .fails(Unreachable, "broke off", 4),
        case("thing", "an error that tells the token",
            whole("400 Bad Request", "content-type: text/plain\r\n", "no such token: t0k3n-0f-th3-h0st1l3-su1t3"))
            .fails(Rejected, "no such token: ***", 1),
        // Refused.
        case("thing", "401 once", [whole("401 Unauthorized", "www-authenticate: Basic\r\n", ""), json("{\"id\":2}")])
            .fails(Unauthorized, "answered 401", 1),
        case("thing", "401 for ever", whole("401 Unauthorized", "", ""))
            .fails(Unauthorized, "answered 401", 1),
        case("append", "401 after a write", whole("401 Unauthorized", "", ""))
            .fails(Unauthorized, "answered 401", 1),
        case("thing", "403", whole("403 Forbidden", "", "")).fails(Forbidden, "answered 403", 1),
        case("thing", "404", whole("404 Not Found", "", "")).fails(NotFound, "answered 404", 1),
        case("thing", "407", whole("407 Proxy Authentication Required", "proxy-authenticate: Basic\r\n", ""))
            .fails(Rejected, "answered 407", 1),
        case("thing", "408, then well", [whole("408 Request Timeout", "", ""), json("{\"id\":2}")])
            .gives(2, 2),
        case("append", "408 after a write", whole("408 Request Timeout", "", ""))
            .fails(Rejected, "it was not sent again", 1),
        case("thing", "417 of what was not expected", whole("417 Expectation Failed", "", ""))
            .fails(Rejected, "answered 417", 1),
        case("thing", "418", whole("418 I'm a teapot", "", "")).fails(Rejected, "answered 418", 1),
        case("thing", "425, then well", [whole("425 Too Early", "", ""), json("{\"id\":2}")]).gives(2, 2),
        case("thing", "451", whole("451 Unavailable For Legal Reasons", "", ""))
            .fails(Rejected, "answered 451", 1),
    ]
}

#[tokio::test]
async fn a_refusal_is_told_and_an_outage_is_waited_out() {
    hold(cases()).await;
}
