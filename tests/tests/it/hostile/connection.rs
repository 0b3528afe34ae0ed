//! Connections that break, stall or are not those of a service that speaks HTTP.

use linchpin::Code::{DeadlineExceeded, ResponseMalformed, Unreachable};

use super::{
    case::{Case, case, hold},
    server::{Answer, bytes, json, says},
    tracker::HASTY,
};

// A table: what is wrong, what the service does, and below it what must come of it.
#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let nothing = Answer::default;
    vec![
        // Broken off.
        case("thing", "closed in place of an answer", nothing().closes()).fails(Unreachable, "broke off", 4),
        case("thing", "reset in place of an answer", nothing().resets()).fails(Unreachable, "broke off", 4),
        case("append", "closed in place of a write's answer", nothing().closes())
            .fails(Unreachable, "look at the service whether it has happened", 1),
        case("append", "reset in place of a write's answer", nothing().resets())
            .fails(Unreachable, "it was not sent again", 1),
        case("create", "reset in place of a keyed write's answer", [nothing().resets(), json("{\"id\":2}")])
            .gives(2, 2),
        case("replace", "closed in place of a repeatable write's answer", [nothing().closes(), json("{\"id\":2}")])
            .gives(2, 2),
        case("thing", "closed within the status", says("HTTP/1.1 2").closes())
            .fails(Unreachable, "broke off", 4),
        case("thing", "closed within the headers", says("HTTP/1.1 200 OK\r\ncontent-le").closes())
            .fails(Unreachable, "broke off", 4),
        case("append", "closed within the headers of a write's answer",
            says("HTTP/1.1 200 OK\r\ncontent-le").closes())
            .fails(Unreachable, "look at the service whether it has happened", 1),
        case("thing", "reset within the headers", says("HTTP/1.1 200 OK\r\ncontent-le").resets())
            .fails(Unreachable, "broke off", 4),
        case("thing", "reset within the body", says("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"id\"").resets())
            .fails(Unreachable, "broke off", 4),
        case("thing", "closed three times, then well",
            [nothing().closes(), nothing().resets(), says("HTTP/1.1 ").closes(), json("{\"id\":2}")])
            .gives(2, 4),
        case("thing", "closed before anybody asked", nothing())
            .greeting(nothing().closes()).fails(Unreachable, "broke off", 4).or_fewer(),
        case("thing", "reset before anybody asked", nothing())
            .greeting(nothing().resets()).fails(Unreachable, "broke off", 4).or_fewer(),
        // An idle connection.
        case("twice", "an idle connection that is closed", json("{\"id\":2}").closes()).gives([2, 2], 2),
        case("twice", "an idle connection that is reset", json("{\"id\":2}").resets()).gives([2, 2], 2),
        case("read_and_append", "an idle connection that is closed before a write", json("{\"id\":2}").closes())
            .gives(2, 2).or_fewer().or_breaks(),
        case("read_and_append", "closed when the second request comes", [json("{\"id\":2}"), nothing().closes()])
            .fails(Unreachable, "it was not sent again", 2),
        case("read_and_append", "reset when the second request comes", [json("{\"id\":2}"), nothing().resets()])
            .fails(Unreachable, "it was not sent again", 2),
        case("twice", "another answer on an idle connection",
            json("{\"id\":2}").says("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"id\":66}"))
            .gives([2, 2], 2),
        case("twice", "a time-out told on an idle connection",
            json("{\"id\":2}").says("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").closes())
            .gives([2, 2], 2),
        // Stalled.
        case("thing", "silence", nothing().holds())
            .spec(HASTY).fails(DeadlineExceeded, "the limit of `http.timeout`", 2),
        case("append", "silence after a write", nothing().holds())
            .spec(HASTY).fails(DeadlineExceeded, "it was not sent again", 1),
        case("create", "silence after a keyed write, then well", [nothing().holds(), json("{\"id\":2}")])
            .spec(HASTY).gives(2, 2),
        case("thing", "silence within the headers", says("HTTP/1.1 200 OK\r\nx-slow: ").holds())
            .spec(HASTY).fails(DeadlineExceeded, "the limit of `http.timeout`", 2),
        case("thing", "headers that drip", says("HTTP/1.1 200 OK\r\nx-slow: ").drips("l"))
            .spec(HASTY).fails(DeadlineExceeded, "the limit of `http.timeout`", 2),
        case("thing", "headers that drip line by line", says("HTTP/1.1 200 OK\r\n").drips("x: y\r\n"))
            .spec(HASTY).fails(DeadlineExceeded, "the limit of `http.timeout`", 2),
        // Not HTTP.
        case("thing", "an SSH server", says("SSH-2.0-OpenSSH_9.9\r\n"))
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "a mail server, which speaks first", nothing())
            .greeting(says("220 mail.example ESMTP\r\n")).fails(ResponseMalformed, "not HTTP", 4).or_fewer().or_breaks(),
        case("thing", "a TLS alert", bytes(&b"\x15\x03\x01\x00\x02\x02\x46"[..]).closes())
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "HTTP/2 settings",
            bytes(&b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80"[..]).closes())
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "bytes of no kind", bytes(vec![0xff; 4096]).closes())
            .fails(ResponseMalformed, "not HTTP", 1),
        case("thing", "the request itself", says("GET /thing HTTP/1.1\r\nhost: x\r\n\r\n"))
            .fails(ResponseMalformed, "not HTTP", 1),
    ]
}

#[tokio::test]
async fn a_broken_connection_is_never_an_answer() {
    hold(cases()).await;
}
