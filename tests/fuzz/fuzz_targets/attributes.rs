//! The macros' own sources, because a crate of macros exports nothing else.

#![no_main]
#![allow(dead_code)]

extern crate proc_macro;

#[path = "../../../anchor-macros/src/arguments.rs"]
mod arguments;
#[path = "../../../anchor-macros/src/case.rs"]
mod case;
#[path = "../../../anchor-macros/src/column.rs"]
mod column;
#[path = "../../../anchor-macros/src/duration.rs"]
mod duration;
#[path = "../../../anchor-macros/src/errors.rs"]
mod errors;
#[path = "../../../anchor-macros/src/guards/mod.rs"]
mod guards;
#[path = "../../../anchor-macros/src/krate.rs"]
mod krate;
#[path = "../../../anchor-macros/src/properties.rs"]
mod properties;
#[path = "../../../anchor-macros/src/session_data/mod.rs"]
mod session_data;
#[path = "../../../anchor-macros/src/source_text.rs"]
mod source_text;
#[path = "../../../anchor-macros/src/spans.rs"]
mod spans;
#[path = "../../../anchor-macros/src/suggest.rs"]
mod suggest;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::attribute(data));
