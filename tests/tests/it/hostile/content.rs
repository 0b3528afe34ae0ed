//! Bodies that are not what the flow expects, or that nothing should be made of.

use linchpin::Code::{ResponseMalformed, ResponseTooLarge};
use linchpin::serde_json::json as value;

use super::{
    case::{Case, case, hold},
    server::{bytes, json, says, whole},
    tracker::ROOMY,
};

// A table: what is wrong, what the service does, and below it what must come of it.
#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let wrong = |name, body: &str, words| case("thing", name, json(body)).fails(ResponseMalformed, words, 1);
    let not_json = |name, body: &str| case("any", name, json(body)).fails(ResponseMalformed, "not JSON", 1);
    let raw = |body: &[u8]| {
        says(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len())).bytes(body.to_vec())
    };
    vec![
        // Not JSON.
        case("any", "an empty body", json(""))
            .fails(ResponseMalformed, "is empty, where JSON was expected", 1),
        case("append", "an empty body after a write", json("")).fails(ResponseMalformed, "is empty", 1),
        case("list", "an empty page", json("")).fails(ResponseMalformed, "is empty", 1),
        not_json("blanks", "  \r\n\t "),
        case("any", "a page for people with 200",
            whole("200 OK", "content-type: text/html\r\n", "<!doctype html><p>Sign in"))
            .fails(ResponseMalformed, "not JSON (text/html, 25 bytes)", 1),
        not_json("JSON that breaks off", "{\"id\": 2, \"na"),
        not_json("JSON with garbage behind", "{\"id\":2}}"),
        not_json("two texts of JSON", "{\"id\":2}{\"id\":66}"),
        not_json("JSON with a script in front", ")]}',\n{\"id\":2}"),
        not_json("JSON with a comment", "{\"id\":2/* two */}"),
        not_json("JSON with a comma too many", "{\"id\":2,}"),
        not_json("JSON in single quotes", "{'id':2}"),
        not_json("NaN", "{\"id\":NaN}"),
        not_json("infinity", "{\"id\":-Infinity}"),
        not_json("a number with a leading zero", "{\"id\":02}"),
        not_json("a number in hexadecimal", "{\"id\":0x2}"),
        not_json("a NUL behind JSON", "{\"id\":2}\0"),
        not_json("a line break in a text", "{\"id\":\"\n\"}"),
        not_json("half a surrogate pair", "{\"id\":\"\\ud800\"}"),
        not_json("the second half of a surrogate pair", "{\"id\":\"\\udc00\"}"),
        not_json("an escape that is none", "{\"id\":\"\\x41\"}"),
        case("any", "bytes that are no UTF-8", raw(b"{\"id\":\"\xff\xfe\"}"))
            .fails(ResponseMalformed, "not JSON", 1),
        case("any", "UTF-8 that is too long", raw(b"{\"id\":\"\xc0\xaf\"}"))
            .fails(ResponseMalformed, "not JSON", 1),
        case("any", "UTF-8 that is half a surrogate pair", raw(b"{\"id\":\"\xed\xa0\x80\"}"))
            .fails(ResponseMalformed, "not JSON", 1),
        case("any", "a body of bytes of no kind", raw(&[0x80; 4096])).fails(ResponseMalformed, "not JSON", 1),
        // Deep and large.
        case("any", "100,000 lists in each other", json(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))))
            .fails(ResponseMalformed, "recursion limit", 1),
        case("any", "100,000 objects in each other",
            json(&format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000))))
            .fails(ResponseMalformed, "recursion limit", 1),
        case("thing", "depth in a field that nobody wants",
            json(&format!("{{\"id\":2,\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000))))
            .gives(2, 1),
        case("list", "a page of 100,000 lists in each other",
            json(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))))
            .fails(ResponseMalformed, "invalid type: sequence, expected an object", 1),
        case("thing", "an error of 100,000 lists in each other", whole("400 Bad Request", "", &"[".repeat(100_000)))
            .fails(linchpin::Code::Rejected, "answered 400 Bad Request", 1),
        case("length", "a text of 10 MB", json(&format!("\"{}\"", "x".repeat(10_000_000))))
            .spec(ROOMY).gives(10_000_000, 1),
        case("length", "a text of 10 MB over the limit", json(&format!("\"{}\"", "x".repeat(10_000_000))))
            .fails(ResponseTooLarge, "larger than 1048576 bytes, the limit of `http.limits.body`", 1),
        case("list", "a million records over the limit",
            json(&format!("[{}{{\"id\":1}}]", "{\"id\":1},".repeat(999_999))))
            .fails(ResponseTooLarge, "http.limits.body", 1),
        case("any", "a number of 100,000 digits", json(&"9".repeat(100_000)))
            .fails(ResponseMalformed, "number out of range", 1),
        // Not what the flow expects.
        wrong("null", "null", "expects: invalid type: null"),
        wrong("a list for an object", "[[[2]]]", "is not what the flow expects"),
        wrong("a text for an object", "\"2\"", "is not what the flow expects"),
        wrong("a text for a number", "{\"id\":\"2\"}", "at `/id`"),
        wrong("a fraction for a whole number", "{\"id\":2.5}", "at `/id`"),
        wrong("a negative number", "{\"id\":-2}", "at `/id`"),
        wrong("a number beyond 64 bits", "{\"id\":18446744073709551616}", "at `/id`"),
        wrong("ten to the sixtieth",
            "{\"id\":1000000000000000000000000000000000000000000000000000000000000}", "at `/id`")
            ,
        wrong("a number beyond all floats", "{\"id\":1e400}", "number out of range"),
        wrong("no such field", "{\"ID\":2}", "missing field `id`"),
        wrong("a field twice", "{\"id\":2,\"id\":66}", "duplicate field `id`"),
        wrong("a field twice, once in other letters", "{\"id\":2,\"\\u0069d\":66}", "duplicate field `id`"),
        wrong("a text of a million letters for a number",
            &format!("{{\"id\":\"{}\"}}", "x".repeat(1_000_000)), "at `/id`")
            ,
        wrong("a text that moves the cursor for a number", "{\"id\":\"\\u001b[2J\\u009b2J\"}", "at `/id`"),
        case("any", "a name of a million letters in JSON that breaks off",
            json(&format!("{{\"{}\":", "x".repeat(1_000_000))))
            .fails(ResponseMalformed, "not JSON", 1),
        case("list", "a record that is wrong behind good ones", json("[{\"id\":1},{\"id\":2},{\"id\":\"3\"}]"))
            .fails(ResponseMalformed, "at `/2/id`", 1),
        // What is as it must be.
        case("any", "null where anything may come", json("null")).gives(value!(null), 1),
        case("any", "a name twice", json("{\"a\":1,\"a\":2}")).gives(value!({ "a": 2 }), 1),
        case("any", "names that programs mean something by",
            json("{\"__proto__\":{\"admin\":true},\"constructor\":1,\"\":2}"))
            .gives(value!({ "__proto__": { "admin": true }, "constructor": 1, "": 2 }), 1),
        case("any", "texts with everything in them", json("\"\\u0000\\u202e\\ud83d\\ude00\\uffff\""))
            .gives("\0\u{202e}\u{1f600}\u{ffff}", 1),
        case("any", "the greatest whole number", json("18446744073709551615")).gives(u64::MAX, 1),
        case("any", "JSON that calls itself a picture", whole("200 OK", "content-type: image/png\r\n", "{\"id\":2}"))
            .gives(value!({ "id": 2 }), 1),
        case("thing", "an answer in single bytes",
            bytes(&b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"id\""[..]).says(":").says("2").says("}"))
            .gives(2, 1),
    ]
}

#[tokio::test]
async fn content_is_what_the_flow_expects_or_an_error() {
    hold(cases()).await;
}
