//! Bodies that are not as long as they say, or do not end.

use linchpin::Code::{DeadlineExceeded, ResponseMalformed, ResponseTooLarge, Unreachable};

use super::{
    case::{Case, case, hold},
    server::{json, says, whole},
    tracker::HASTY,
};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

// A table: what is wrong, what the service does, and below it what must come of it.
#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let chunked = |more: &str| says(format!("{CHUNKED}{more}"));
    let head = |headers: &str| says(format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n"));
    vec![
        // Too short.
        case("thing", "a body shorter than its length", head("content-length: 99").says("{\"id\":2}").closes())
            .fails(Unreachable, "broke off", 4),
        case("list", "a page shorter than its length", head("content-length: 99").says("[{\"id\":2}]").closes())
            .fails(Unreachable, "broke off", 4),
        case("list", "a second page shorter than its length",
            [
                whole("200 OK", "link: </things?page=2>; rel=next\r\n", "[{\"id\":1},{\"id\":2}]"),
                head("content-length: 99").says("[{\"id\":3}]").closes(),
            ])
            .fails(Unreachable, "broke off", 5).given([1, 2]),
        case("append", "a write's answer shorter than its length",
            head("content-length: 99").says("{\"id\":2}").closes())
            .fails(Unreachable, "it is a write that must not happen twice", 1),
        case("create", "a keyed write's answer shorter than its length",
            [head("content-length: 99").says("{\"id\":2}").closes(), json("{\"id\":2}")])
            .gives(2, 2),
        case("replace", "a repeatable write's answer shorter than its length", head("content-length: 99").closes())
            .fails(Unreachable, "sent 4 times", 4),
        case("thing", "a body of which nothing comes", head("content-length: 8").closes())
            .fails(Unreachable, "broke off", 4),
        case("thing", "chunks that break off within one", chunked("8\r\n{\"id\"").closes())
            .fails(Unreachable, "broke off", 4),
        case("thing", "chunks that break off within a length", chunked("8\r\n{\"id\":2}\r\n1").closes())
            .fails(Unreachable, "broke off", 4),
        case("thing", "chunks without the last", chunked("8\r\n{\"id\":2}\r\n").closes())
            .fails(Unreachable, "broke off", 4),
        case("thing", "chunks without the line break at the very end", chunked("8\r\n{\"id\":2}\r\n0\r\n").closes())
            .fails(Unreachable, "broke off", 4),
        case("append", "a write's answer without the last chunk", chunked("8\r\n{\"id\":2}\r\n").closes())
            .fails(Unreachable, "look at the service", 1),
        case("thing", "a body that the end of the connection cuts", head("x: y").says("{\"id\":").closes())
            .fails(ResponseMalformed, "not JSON", 1),
        // Chunks that are none.
        case("thing", "a length of a chunk that is no number", chunked("x\r\n{\"id\":2}\r\n0\r\n\r\n"))
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a negative length of a chunk", chunked("-8\r\n{\"id\":2}\r\n0\r\n\r\n"))
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a length of a chunk beyond 64 bits", chunked("fffffffffffffffff\r\n{\"id\":2}\r\n0\r\n\r\n"))
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a chunk as long as 64 bits can say",
            chunked("ffffffffffffffff\r\n").repeats("xxxxxxxxxxxxxxx\n"))
            .fails(ResponseTooLarge, "http.limits.body", 1),
        case("thing", "a chunk longer than its length", chunked("2\r\n{\"id\":2}\r\n0\r\n\r\n"))
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "extensions of a chunk without end", chunked("8;").repeats("extension=\"endless\";"))
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "trailers without end", chunked("8\r\n{\"id\":2}\r\n0\r\n").repeats("x-trailer: more\r\n"))
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a trailer that claims a length", chunked("8\r\n{\"id\":2}\r\n0\r\ncontent-length: 3\r\n\r\n"))
            .gives(2, 1),
        // Lengths that lie.
        case("thing", "two lengths", head("content-length: 8\r\ncontent-length: 9").says("{\"id\":2}").closes())
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "two lengths in one line", head("content-length: 8, 9").says("{\"id\":2}").closes())
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a negative length", head("content-length: -8").says("{\"id\":2}").closes())
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a length with a sign", head("content-length: +8").says("{\"id\":2}").closes())
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a length that is no number", head("content-length: 0x8").says("{\"id\":2}").closes())
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a length beyond 64 bits",
            head("content-length: 99999999999999999999").says("{\"id\":2}").closes())
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a length over the limit", head("content-length: 99999999999").says("{").holds())
            .fails(ResponseTooLarge, "http.limits.body", 1),
        case("append", "a write's answer over the limit", head("content-length: 1048577").says("{").holds())
            .fails(ResponseTooLarge, "http.limits.body", 1),
        case("thing", "a length beside chunks",
            says("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n8\r\n{\"id\":2}\r\n0\r\n\r\n"))
            .gives(2, 1),
        case("thing", "a coding of the transfer that nobody knows",
            head("transfer-encoding: chunked, secret").says("{").closes())
            .fails(ResponseMalformed, "not JSON", 1),
        // More than was asked for.
        case("thing", "a second answer behind the first",
            json("{\"id\":2}").says("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"id\":66}"))
            .gives(2, 1),
        case("thing", "a body behind 204", says("HTTP/1.1 204 No Content\r\n\r\n{\"id\":66}"))
            .fails(ResponseMalformed, "is empty", 1),
        case("thing", "a length and a body behind 204", whole("204 No Content", "", "{\"id\":66}"))
            .fails(ResponseMalformed, "is empty", 1),
        case("thing", "a 304 that nobody asked for, with a body", whole("304 Not Modified", "", "{\"id\":66}"))
            .fails(ResponseMalformed, "is empty", 1),
        case("head", "a body behind the answer to HEAD", whole("200 OK", "", "{\"id\":66}")).gives(200, 1),
        case("head", "a length over the limit for HEAD",
            says("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"))
            .gives(200, 1),
        // No end.
        case("thing", "a body without end", says("HTTP/1.1 200 OK\r\n\r\n").repeats("{\"id\":2}        \n"))
            .fails(ResponseTooLarge, "http.limits.body", 1),
        case("thing", "chunks without end", says(CHUNKED).repeats(&format!("400\r\n{}\r\n", " ".repeat(1024))))
            .fails(ResponseTooLarge, "http.limits.body", 1),
        case("list", "a page without end", says("HTTP/1.1 200 OK\r\n\r\n[{\"id\":1}").repeats(",{\"id\":1}"))
            .fails(ResponseTooLarge, "http.limits.body", 1),
        case("append", "an error without end", says("HTTP/1.1 500 Oops\r\n\r\n").repeats("<html>"))
            .fails(ResponseTooLarge, "http.limits.body", 1),
        case("thing", "a body that stops half-way", head("content-length: 8").says("{\"id\"").holds())
            .spec(HASTY).fails(DeadlineExceeded, "` within 300 ms, the limit of `http.timeout`", 2),
        case("append", "a write's answer that stops half-way", head("content-length: 8").says("{\"id\"").holds())
            .spec(HASTY).fails(DeadlineExceeded, "it is a write that must not happen twice", 1),
        case("thing", "a body that drips", head("content-length: 99999").drips(" "))
            .spec(HASTY).fails(DeadlineExceeded, "` within 300 ms, the limit of `http.timeout`", 2),
        case("thing", "chunks that drip", says(CHUNKED).drips("1\r\n \r\n"))
            .spec(HASTY).fails(DeadlineExceeded, "` within 300 ms, the limit of `http.timeout`", 2),
    ]
}

#[tokio::test]
async fn a_body_is_whole_or_an_error() {
    hold(cases()).await;
}
