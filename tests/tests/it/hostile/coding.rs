//! Compressed bodies that grow without measure, or that are none.

use std::io::Write;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use linchpin::Code::{ResponseMalformed, ResponseTooLarge};

use super::{
    case::{Case, case, hold},
    server::{Answer, says},
};

const BOMB: usize = 4 << 20;

/// 16 MiB of blanks in Brotli (RFC 7932).
const BROTLI_BOMB: &[u8] = b"\xcb\xff\xff\x3f\xf8\x25\x40\xe2\xb1\x40\x20\xf7\xfe\x2f\xff\xff\xff\xf0\x4b\x00\xc4\x61\x11\x80\xee\xfd\x1f";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(content).unwrap();
    gzip.finish().unwrap()
}

/// Blanks in `deflate` as RFC 9110 §8.4.1.2 has it.
fn zlib_bomb() -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(&vec![b' '; BOMB]).unwrap();
    zlib.finish().unwrap()
}

/// Blanks in Zstandard (RFC 8878): a frame of blocks of 128 KiB that are one byte each.
fn zstd_bomb() -> Vec<u8> {
    const BLOCK: u32 = 128 << 10;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    let blocks = BOMB as u32 / BLOCK;
    for block in 1..=blocks {
        let header = BLOCK << 3 | 1 << 1 | u32::from(block == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(b' ');
    }
    frame
}

fn coded(status: &str, coding: &str, body: Vec<u8>) -> Answer {
    let length = body.len();
    says(format!("HTTP/1.1 {status}\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n"))
        .bytes(body)
}

// A table: what is wrong, what the service does, and below it what must come of it.
#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let ok = |coding: &str, body: Vec<u8>| coded("200 OK", coding, body);
    let whole = gzip(b"{\"id\":2}");
    let half = whole[..whole.len() / 2].to_vec();
    let changed = |at: usize| {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        changed
    };
    let bomb = gzip(&vec![b' '; BOMB]);
    vec![
        case("thing", "gzip", ok("gzip", whole.clone())).gives(2, 1),
        case("thing", "gzip by its old name", ok("x-gzip", whole.clone())).gives(2, 1),
        case("head", "gzip of nothing behind HEAD", says("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n"))
            .gives(200, 1),
        case("thing", "4 MiB in gzip", ok("gzip", bomb.clone())).fails(ResponseTooLarge, "`http.limits.body`", 1),
        case("thing", "4 MiB in deflate", ok("deflate", zlib_bomb()))
            .fails(ResponseTooLarge, "`http.limits.body`", 1),
        case("thing", "16 MiB in Brotli", ok("br", BROTLI_BOMB.to_vec()))
            .fails(ResponseTooLarge, "`http.limits.body`", 1),
        case("thing", "4 MiB in Zstandard", ok("zstd", zstd_bomb()))
            .fails(ResponseTooLarge, "`http.limits.body`", 1),
        case("list", "a page of 4 MiB in gzip", ok("gzip", bomb.clone()))
            .fails(ResponseTooLarge, "`http.limits.body`", 1),
        case("append", "4 MiB in gzip after a write", ok("gzip", bomb.clone()))
            .fails(ResponseTooLarge, "`http.limits.body`", 1),
        case("thing", "an error of 4 MiB in gzip", coded("400 Bad Request", "gzip", bomb.clone()))
            .fails(ResponseTooLarge, "`http.limits.body`", 1),
        case("thing", "4 MiB in gzip in gzip", ok("gzip, gzip", gzip(&bomb)))
            .fails(ResponseTooLarge, "`http.limits.body`", 1),
        case("thing", "more codings than anybody means", ok("gzip, gzip, gzip, gzip", whole.clone()))
            .fails(ResponseMalformed, "", 1),
        case("thing", "gzip that ends too early", ok("gzip", half)).fails(ResponseMalformed, "", 1),
        case("thing", "gzip with a wrong beginning", ok("gzip", changed(0))).fails(ResponseMalformed, "", 1),
        case("thing", "gzip with a wrong middle", ok("gzip", changed(12))).fails(ResponseMalformed, "", 1),
        case("thing", "gzip with a wrong sum", ok("gzip", changed(whole.len() - 6)))
            .fails(ResponseMalformed, "", 1),
        case("thing", "JSON that calls itself gzip", ok("gzip", b"{\"id\":2}".to_vec()))
            .fails(ResponseMalformed, "", 1),
        case("thing", "gzip that calls itself Brotli", ok("br", whole.clone()))
            .fails(ResponseMalformed, "", 1),
        case("thing", "Zstandard that calls itself deflate", ok("deflate", zstd_bomb()))
            .fails(ResponseMalformed, "", 1),
        case("append", "gzip that ends too early after a write", ok("gzip", whole[..9].to_vec()))
            .fails(ResponseMalformed, "", 1),
        case("thing", "a coding that nobody knows", ok("secret", whole.clone()))
            .fails(ResponseMalformed, "", 1),
    ]
}

#[tokio::test]
async fn a_coded_body_is_decoded_within_the_limits_or_an_error() {
    hold(cases()).await;
}
