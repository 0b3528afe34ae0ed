//! Status lines and headers that are wrong, too many or too long.

use linchpin::Code::{DeadlineExceeded, Rejected, ResponseMalformed, ResponseTooLarge, ServiceFailed};

use super::{
    case::{Case, case, hold},
    server::{says, whole},
    tracker::HASTY,
};

// A table: what is wrong, what the service does, and below it what must come of it.
#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let line = |line: &str| says(format!("{line}\r\ncontent-length: 8\r\n\r\n{{\"id\":2}}"));
    let with = |header: &str| whole("200 OK", &format!("{header}\r\n"), "{\"id\":2}");
    vec![
        // Status lines.
        case("thing", "no status line", says("{\"id\":2}\r\n\r\n").closes())
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "HTTP/9", line("HTTP/9.0 200 OK")).fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "HTTP/2 in words", line("HTTP/2 200 OK")).fails(ResponseMalformed, "not HTTP", 1),
        case("append", "HTTP/9 after a write", line("HTTP/9.0 200 OK"))
            .fails(ResponseMalformed, "may have done what it was asked", 1),
        case("thing", "HTTP/1.0", line("HTTP/1.0 200 OK").closes()).gives(2, 1),
        case("thing", "status 99", line("HTTP/1.1 99 Low")).fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "status 099", line("HTTP/1.1 099 Low")).fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "status 1000", line("HTTP/1.1 1000 High")).fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "status 2OO", line("HTTP/1.1 2OO OK")).fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "status -200", line("HTTP/1.1 -200 OK")).fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "status 999", line("HTTP/1.1 999 Denied")).fails(Rejected, "answered 999", 1),
        case("thing", "status 600", line("HTTP/1.1 600 Unknown")).fails(Rejected, "answered 600", 1),
        case("thing", "no reason", line("HTTP/1.1 200")).gives(2, 1),
        case("thing", "a reason that moves the cursor", line("HTTP/1.1 404 \x1b[2J"))
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a reason in another alphabet", line("HTTP/1.1 500 \u{9b}2Jкракозябры"))
            .fails(ServiceFailed, "answered 500 Internal Server Error", 4),
        case("thing", "garbage before the status", line("garbage HTTP/1.1 200 OK"))
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a status line without end", says("HTTP/1.1 200 ").repeats("OKOKOKOK"))
            .fails(ResponseTooLarge, "the head of the answer", 1),
        // Answers before the answer.
        case("thing", "100 unasked",
            line("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </evil>\r\n\r\nHTTP/1.1 200 OK"))
            .gives(2, 1),
        case("thing", "100 and then the end", says("HTTP/1.1 100 Continue\r\n\r\n").closes())
            .fails(linchpin::Code::Unreachable, "broke off", 4),
        case("thing", "100 without end", says("").repeats("HTTP/1.1 100 Continue\r\n\r\n"))
            .spec(HASTY).fails(DeadlineExceeded, "the limit of `http.timeout`", 2),
        case("thing", "100 that drips", says("").drips("HTTP/1.1 100 Continue\r\n\r\n"))
            .spec(HASTY).fails(DeadlineExceeded, "the limit of `http.timeout`", 2),
        case("thing", "101 unasked",
            says("HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"))
            .fails(Rejected, "answered 101", 1),
        case("append", "101 unasked after a write",
            says("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n").holds())
            .fails(Rejected, "answered 101", 1),
        // Headers.
        case("thing", "100 headers",
            says("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n").says("x: y\r\n".repeat(99)).says("\r\n{\"id\":2}"))
            .gives(2, 1),
        case("thing", "101 headers",
            says("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n").says("x: y\r\n".repeat(100)).says("\r\n{\"id\":2}"))
            .fails(ResponseTooLarge, "100 headers", 1),
        case("append", "too many headers after a write",
            says("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n").says("x: y\r\n".repeat(100)).says("\r\n{\"id\":2}"))
            .fails(ResponseTooLarge, "may have done what it was asked", 1),
        case("thing", "headers without end", says("HTTP/1.1 200 OK\r\n").repeats("x-more: and more\r\n"))
            .fails(ResponseTooLarge, "the head of the answer", 1),
        case("thing", "a header without end", says("HTTP/1.1 200 OK\r\nx-more: ").repeats("and more "))
            .fails(ResponseTooLarge, "the head of the answer", 1),
        case("thing", "a name of a header without end", says("HTTP/1.1 200 OK\r\n").repeats("x-more-"))
            .fails(ResponseTooLarge, "the head of the answer", 1),
        case("thing", "a header of 300,000 letters", with(&format!("x: {}", "y".repeat(300_000))))
            .gives(2, 1),
        case("thing", "a request id of 300,000 letters",
            whole("400 Bad Request", &format!("x-request-id: {}\r\n", "y".repeat(300_000)), ""))
            .fails(Rejected, "answered 400 Bad Request", 1),
        case("thing", "a media type of 300,000 letters", with(&format!("content-type: {}", "y".repeat(300_000))))
            .gives(2, 1),
        case("any", "a media type of 300,000 letters for what is no JSON",
            whole("200 OK", &format!("content-type: {}\r\n", "y".repeat(300_000)), "<"))
            .fails(ResponseMalformed, "not JSON", 1),
        case("thing", "a folded header", with("x: y\r\n folded: z")).fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a header without a colon", with("x y")).fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a header without a name", with(": y")).fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a blank before the colon", with("content-length : 66"))
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a NUL in a header", with("x: a\0b")).fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a CR in a header", with("x: a\rb: c")).fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "an escape in a header", with("x: \x1b[2J")).fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "bytes above ASCII in a header", with("x-request-id: \u{fc}")).gives(2, 1),
        case("thing", "lines that end with LF alone", says("HTTP/1.1 200 OK\ncontent-length: 8\n\n{\"id\":2}"))
            .gives(2, 1),
        case("twice", "cookies", whole("200 OK", "set-cookie: session=stolen; path=/\r\n", "{\"id\":2}"))
            .gives([2, 2], 2),
        case("thing", "headers that belong to requests",
            whole("200 OK", "host: evil.example\r\nauthorization: Bearer evil\r\n", "{\"id\":2}"))
            .gives(2, 1),
        case("twice", "an advertised other way",
            whole("200 OK", "alt-svc: http/1.1=\"{elsewhere}\"\r\n", "{\"id\":2}"))
            .gives([2, 2], 2),
    ]
}

#[tokio::test]
async fn a_head_is_read_as_the_standard_says_or_not_at_all() {
    hold(cases()).await;
}
