//! Files that break off on their way down, and services that do not take them up.

use linchpin::Code::{
    DeadlineExceeded, Forbidden, Rejected, ResponseMalformed, ResponseTooLarge, ServiceFailed, Unreachable,
};

use super::{
    case::{Case, case, hold},
    server::{Answer, json, says, whole},
    tracker::HASTY,
};

// A table: what is wrong, what the service does, and below it what must come of it.
#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let head = |headers: &str| says(format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n"));
    let some = "x".repeat(200_000);
    let some = some.as_str();
    vec![
        // Down.
        case("download", "a file that ends too early", head("content-length: 300000").says(some.to_owned()).closes())
            .fails(Unreachable, "broke off", 1),
        case("download", "a file that is reset", head("content-length: 300000").says(some.to_owned()).resets())
            .fails(Unreachable, "broke off", 1),
        case("download", "a file without its last chunk",
            head("transfer-encoding: chunked").says(format!("30d40\r\n{some}\r\n")).closes())
            .fails(Unreachable, "broke off", 1),
        case("download", "a file in chunks that are none",
            head("transfer-encoding: chunked").says(format!("30d40\r\n{some}\r\nx")))
            .fails(ResponseMalformed, "not HTTP", 1),
        case("download", "a file that stops half-way", head("content-length: 300000").says(some.to_owned()).holds())
            .spec(HASTY).fails(DeadlineExceeded, "` within 300 ms, the limit of `http.timeout`", 1),
        case("download", "a file that does not begin", head("content-length: 300000").holds())
            .spec(HASTY).fails(DeadlineExceeded, "` within 300 ms, the limit of `http.timeout`", 1),
        case("download", "a file without end", head("x: y").repeats("0123456789abcdef"))
            .fails(ResponseTooLarge, "`http.limits.file`", 1),
        case("download", "a file in chunks without end",
            head("transfer-encoding: chunked").repeats(&format!("400\r\n{}\r\n", "x".repeat(1024))))
            .fails(ResponseTooLarge, "`http.limits.file`", 1),
        case("download", "a file whose length is over the limit",
            head("content-length: 99999999999").repeats("0123456789abcdef"))
            .fails(ResponseTooLarge, "`http.limits.file`", 1),
        case("download", "an error without end for a file", says("HTTP/1.1 404 Not Found\r\n\r\n").repeats("<html>"))
            .fails(ResponseTooLarge, "`http.limits.body`", 1),
        case("download", "a file that is refused, then well", [whole("503 Busy", "", ""), whole("200 OK", "", some)])
            .gives(200_000, 2),
        case("download", "a file that is refused for ever", whole("503 Busy", "", ""))
            .fails(ServiceFailed, "sent 4 times", 4),
        case("download", "a file with another answer behind it",
            whole("200 OK", "", some).says("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"))
            .gives(200_000, 1),
        // Up.
        case("upload", "an early yes, with the file unread", json("{\"id\":2}").closes().unread())
            .gives(2, 1).or_breaks(),
        case("upload", "an early no, with the file unread",
            whole("403 Forbidden", "connection: close\r\n", "").closes().unread())
            .fails(Forbidden, "answered 403", 1).or_breaks(),
        case("upload", "an early 413, with the file unread", whole("413 Content Too Large", "", "").closes().unread())
            .fails(Rejected, "answered 413", 1).or_breaks(),
        case("upload", "an early 503, with the file unread", whole("503 Busy", "", "").closes().unread())
            .fails(ServiceFailed, "it was not sent again", 1).or_breaks(),
        case("upload", "closed without a word, with the file unread", Answer::default().closes().unread())
            .fails(Unreachable, "it was not sent again", 1),
        case("upload", "reset, with the file unread", Answer::default().resets().unread())
            .fails(Unreachable, "it was not sent again", 1),
        case("upload", "a file that is never read", Answer::default().holds().unread())
            .spec(HASTY).fails(DeadlineExceeded, "it was not sent again", 1),
        case("upload", "silence when the file is there", Answer::default().holds())
            .spec(HASTY).fails(DeadlineExceeded, "it was not sent again", 1),
        case("upload", "an answer that breaks off when the file is there",
            head("content-length: 9").says("{").closes())
            .fails(Unreachable, "it was not sent again", 1),
        case("upload", "a redirect when the file is there",
            whole("307 Temporary Redirect", "location: {elsewhere}\r\n", ""))
            .fails(Rejected, "a redirect that is not followed", 1),
    ]
}

#[tokio::test]
async fn a_file_is_whole_or_an_error() {
    hold(cases()).await;
}
