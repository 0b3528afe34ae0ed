#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| linchpin::fuzzing::link_header(data));
