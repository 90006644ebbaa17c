#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anchor::__properties::token(data));
