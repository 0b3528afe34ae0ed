//! Redirects: round and round, to where nobody may go, and of what is not redirected.

use linchpin::Code::{HostRefused, Rejected, ResponseMalformed, Unreachable};

use linchpin_runtime::Runtime;
use linchpin_testing::TestClock;

use super::{
    case::{Case, case, connect, hold, outcome},
    server::{Answer, Server, json, says, to, whole},
    tracker::{PLAIN, TOKEN},
};

// A table: what is wrong, what the service does, and below it what must come of it.
#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let status = |status: &str| whole(status, "location: /found\r\n", "");
    let lost = |name, location: &str| case("thing", name, to(location)).fails(HostRefused, "", 1);
    vec![
        // Where reads are followed.
        case("thing", "301 of a read", [status("301 Moved Permanently"), json("{\"id\":2}")])
            .gives(2, 2).asks(&["GET /thing HTTP/1.1", "GET /found HTTP/1.1"]),
        case("thing", "303 of a read", [status("303 See Other"), json("{\"id\":2}")])
            .gives(2, 2).asks(&["GET /thing HTTP/1.1", "GET /found HTTP/1.1"]),
        case("head", "302 of a HEAD", [status("302 Found"), whole("200 OK", "", "{}")])
            .gives(200, 2).asks(&["HEAD /thing HTTP/1.1", "HEAD /found HTTP/1.1"]),
        case("head", "303 of a HEAD", [status("303 See Other"), whole("200 OK", "", "{}")])
            .gives(200, 2).asks(&["HEAD /thing HTTP/1.1", "HEAD /found HTTP/1.1"]),
        case("thing", "308 of a read, with a body without end",
            [says("HTTP/1.1 308 Permanent Redirect\r\nlocation: /found\r\n\r\n").repeats("<html>"), json("{\"id\":2}")])
            .gives(2, 2),
        case("thing", "307 with a cookie for the next",
            [whole("307 Temporary Redirect", "location: /found\r\nset-cookie: session=stolen\r\n", ""), json("{\"id\":2}")])
            .gives(2, 2),
        case("thing", "a location with a line break in it, encoded",
            [to("/found%0d%0ax-evil:%20yes"), json("{\"id\":2}")])
            .gives(2, 2).asks(&["GET /thing HTTP/1.1", "GET /found%0d%0ax-evil:%20yes HTTP/1.1"]),
        case("thing", "a location with a tab in it", [to("/fo\tund"), json("{\"id\":2}")])
            .gives(2, 2).asks(&["GET /thing HTTP/1.1", "GET /found HTTP/1.1"]),
        case("thing", "a location out of the root", [to("/../../../../etc/passwd"), json("{\"id\":2}")])
            .gives(2, 2).asks(&["GET /thing HTTP/1.1", "GET /etc/passwd HTTP/1.1"]),
        case("thing", "a location that breaks off",
            [to("/found"), says("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{").closes()])
            .fails(Unreachable, "broke off", 5),
        // Where writes are not.
        case("append", "301 of a write", status("301 Moved Permanently"))
            .fails(Rejected, "a redirect that is not followed", 1),
        case("append", "302 of a write", status("302 Found"))
            .fails(Rejected, "a redirect that is not followed", 1),
        case("append", "303 of a write", status("303 See Other"))
            .fails(Rejected, "a redirect that is not followed", 1),
        case("create", "307 of a keyed write", status("307 Temporary Redirect"))
            .fails(Rejected, "a redirect that is not followed", 1),
        case("replace", "308 of a repeatable write", status("308 Permanent Redirect"))
            .fails(Rejected, "a redirect that is not followed", 1),
        case("append", "307 of a write to another origin",
            whole("307 Temporary Redirect", "location: {elsewhere}\r\n", ""))
            .fails(Rejected, "a redirect that is not followed", 1),
        // Round and round.
        case("thing", "a redirect to itself", to("/thing")).fails(Rejected, "redirects more than 5 times", 6),
        case("thing", "a redirect to nothing", to("")).fails(Rejected, "redirects more than 5 times", 6),
        case("thing", "a redirect to a part of itself", to("#part"))
            .fails(Rejected, "redirects more than 5 times", 6),
        case("thing", "two redirects to each other", [to("/a"), to("/b"), to("/a"), to("/b"), to("/a"), to("/b")])
            .fails(Rejected, "redirects more than 5 times", 6),
        case("thing", "a redirect to ever longer places", to(&"x/".repeat(9000)))
            .fails(ResponseMalformed, "not a URL that can be requested", 2),
        case("list", "a list that redirects without end", to("/things?more"))
            .fails(Rejected, "redirects more than 5 times", 6),
        case("download", "a file that redirects without end", to("/file?more"))
            .fails(Rejected, "redirects more than 5 times", 6),
        // Nowhere.
        case("thing", "a redirect without a location", whole("302 Found", "", ""))
            .fails(Rejected, "a redirect that is not followed", 1),
        case("thing", "300 with choices", status("300 Multiple Choices"))
            .fails(Rejected, "a redirect that is not followed", 1),
        case("thing", "305 to a proxy", whole("305 Use Proxy", "location: {elsewhere}\r\n", ""))
            .fails(Rejected, "a redirect that is not followed", 1),
        case("thing", "a location that is no URL", to("http://[bad"))
            .fails(ResponseMalformed, "`http://[bad`", 1),
        case("thing", "a location with a port that is none", to("http://127.0.0.1:99999/"))
            .fails(ResponseMalformed, "not a URL that can be requested", 1),
        case("thing", "a location without a host", to("http://"))
            .fails(ResponseMalformed, "not a URL that can be requested", 1),
        case("thing", "a location with letters that move a cursor", to("http://[\u{9b}2J"))
            .fails(ResponseMalformed, "not a URL that can be requested", 1),
        case("thing", "a location that is no URL, of 300,000 letters",
            to(&format!("http://[{}", "x".repeat(300_000))))
            .fails(ResponseMalformed, "not a URL that can be requested", 1),
        // To where nobody may go.
        lost("a redirect to another origin", "{elsewhere}/thing"),
        lost("a redirect to the same name on another port", "http://localhost:1/"),
        lost("a redirect to the same place over https", "https://127.0.0.1/"),
        lost("a redirect without a scheme to loopback", "//127.0.0.1:1/thing"),
        lost("a redirect with backslashes to loopback", "\\\\127.0.0.1:1\\thing"),
        lost("a redirect to loopback in one number", "http://2130706433/"),
        lost("a redirect to loopback in octal", "http://0177.1/"),
        lost("a redirect to loopback in IPv6", "http://[::1]/"),
        lost("a redirect to loopback in IPv6 for IPv4", "http://[::ffff:127.0.0.1]/"),
        lost("a redirect to a name for loopback", "http://localhost/"),
        lost("a redirect to everybody", "http://0.0.0.0/"),
        lost("a redirect to the metadata of a cloud", "http://169.254.169.254/latest/meta-data/"),
        lost("a redirect to a private network", "http://10.0.0.1/"),
        lost("a redirect to a file", "file:///etc/passwd"),
        lost("a redirect to FTP", "ftp://ftp.example/"),
        lost("a redirect to a script", "javascript:alert(1)"),
        lost("a redirect to data", "data:application/json,{\"id\":66}"),
        lost("a redirect to another protocol", "gopher://127.0.0.1:6379/_FLUSHALL"),
        lost("a redirect to a user at another origin", "http://127.0.0.1@10.0.0.1/"),
        lost("a redirect to a user at this origin", "http://evil:password@127.0.0.1/"),
        case("head", "a HEAD redirected to another origin", to("{elsewhere}/thing"))
            .fails(HostRefused, "public address", 1),
        case("download", "a file redirected to another origin", to("{elsewhere}/thing"))
            .fails(HostRefused, "public address", 1),
        case("thing", "a second redirect to another origin", [to("/found"), to("{elsewhere}/thing")])
            .fails(HostRefused, "public address", 2),
    ]
}

#[tokio::test]
async fn a_redirect_leads_reads_only_and_nowhere_private() {
    hold(cases()).await;
}

/// A proxy stands for all the world: it sees what goes to other origins, and gives its own answers.
#[tokio::test]
async fn what_goes_to_another_origin_carries_nothing_of_the_connection() {
    for (flow, value) in [("thing", 2), ("head", 200), ("download", 8)] {
        let answer = "location: http://cdn.example/found\r\nset-cookie: session=stolen\r\n";
        let answers = vec![whole("302 Found", answer, ""), json("{\"id\":2}")];
        let server = Server::start(Answer::default(), answers, "").await;
        let back = vec![to("http://cdn.example/again"), to("{elsewhere}/back")];
        let world = Server::start(Answer::default(), back, &server.origin).await;
        let runtime = Runtime::builder().proxy(&world.origin, "").unwrap().build();
        let connection = connect(PLAIN, &server, &TestClock::new());
        assert_eq!(outcome(&runtime, &connection, flow).await.1.unwrap(), value, "{flow}");

        let seen = world.seen();
        let targets: Vec<_> = seen.iter().filter_map(|request| request.line.split(' ').nth(1)).collect();
        assert_eq!(targets, ["http://cdn.example/found", "http://cdn.example/again"]);
        for name in ["authorization", "cookie", "referer", "idempotency-key"] {
            assert!(seen.iter().all(|request| request.header(name).is_none()), "{seen:?}");
        }
        // Back where it belongs, the token goes along again.
        let token = format!("Bearer {TOKEN}");
        assert!(server.seen().iter().all(|request| request.header("authorization") == Some(&token)));
        assert_eq!(server.seen().len(), 2);
    }
}
