//! Token endpoints that give no token, or one that nobody should use.

use linchpin::Code::{
    ExchangeRefused, RefreshFailed, ResponseMalformed, ResponseTooLarge, Unauthorized, Unreachable,
};

use super::{
    case::{Case, case, hold},
    server::{Answer, json, says, to, whole},
    tracker::{GRANT, TOKEN},
};

// A table: what is wrong, what the service does, and below it what must come of it.
#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let good = |more: &str| json(&format!("{{\"access_token\":\"{TOKEN}\"{more}}}"));
    let no_token = |name, answer: Answer| case("thing", name, [answer, json("{\"id\":2}")]).spec(GRANT);
    let token = |name, more: &str| no_token(name, good(more));
    let odd = |name, token: &str| no_token(name, json(&format!("{{\"access_token\":{token}}}")));
    vec![
        no_token("a token without end", says("HTTP/1.1 200 OK\r\n\r\n").repeats("{\"access_token\":"))
            .fails(RefreshFailed, "larger than 1 MiB", 1),
        no_token("a head without end for a token", says("HTTP/1.1 200 OK\r\n").repeats("x: y\r\n"))
            .fails(ResponseTooLarge, "the head of the answer", 1),
        no_token("no HTTP for a token", says("SSH-2.0-OpenSSH_9.9\r\n"))
            .fails(ResponseMalformed, "not HTTP", 1),
        no_token("a token that breaks off", says("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{").closes())
            .fails(Unreachable, "broke off", 1),
        no_token("a page for people for a token", whole("200 OK", "content-type: text/html\r\n", "<p>Sign in"))
            .fails(ExchangeRefused, "", 1),
        no_token("a token endpoint that redirects elsewhere", to("{elsewhere}/token"))
            .fails(ExchangeRefused, "", 1),
        no_token("a token endpoint that redirects elsewhere with the secret",
            whole("307 Go", "location: {elsewhere}/token\r\n", ""))
            .fails(ExchangeRefused, "", 1),
        no_token("100,000 lists for a token", json(&"[".repeat(100_000))).fails(ExchangeRefused, "", 1),
        no_token("a refusal that tells the secret",
            whole("400 Bad", "", "{\"error\":\"invalid_scope\",\"error_description\":\"\\u001b[2J s3cr3t-0f-th3-h0st1l3-su1t3\"}"))
            .fails(ExchangeRefused, "***", 1),
        odd("null for a token", "null").fails(ExchangeRefused, "", 1),
        odd("a number for a token", "7").fails(ExchangeRefused, "", 1),
        odd("an empty token", "\"\"").fails(ExchangeRefused, "", 1),
        odd("a token with a line break in it", "\"a\\r\\nx-evil: yes\"").fails(ExchangeRefused, "", 1),
        odd("a token with a NUL in it", "\"a\\u0000b\"").fails(ExchangeRefused, "", 1),
        token("a token that lives for no time", ",\"expires_in\":0").gives(2, 2),
        token("a token that lives for a negative time", ",\"expires_in\":-3600").gives(2, 2),
        token("a token that lives for ten to the thirtieth seconds", ",\"expires_in\":1e30").gives(2, 2),
        token("a token that lives for as long as 64 bits can say", ",\"expires_in\":18446744073709551615")
            .gives(2, 2),
        token("a token that lives in words", ",\"expires_in\":\"NaN\"").gives(2, 2),
        token("a token that lives beyond all floats", ",\"expires_in\":1e400").fails(ExchangeRefused, "", 1),
        token("a token of another kind", ",\"token_type\":\"mac\"")
            .fails(ExchangeRefused, "only bearer tokens", 1),
        case("thing", "a token that is not taken", [good(""), whole("401 No", "", "")])
            .spec(GRANT).fails(ExchangeRefused, "answered 401 to the exchange", 3),
        case("thing", "two tokens that are not taken",
            [good(""), whole("401 No", "", ""), good(""), whole("401 No", "", "")])
            .spec(GRANT).fails(Unauthorized, "answered 401", 4),
    ]
}

#[tokio::test]
async fn a_token_is_one_that_can_be_sent_or_an_error() {
    hold(cases()).await;
}
