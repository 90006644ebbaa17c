#![no_main]

use url::{Position, Url};

/// Where a browser on a page goes: the WHATWG URL standard, as the crate `url` has it.
fn goes_to(page: &str, address: &str) -> Option<(String, String)> {
    let to = Url::parse(page).expect("the page has an address").join(address).ok()?;
    Some((to.origin().ascii_serialization(), to[Position::BeforePath..].to_owned()))
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| anchor::__properties::next(data, goes_to));
