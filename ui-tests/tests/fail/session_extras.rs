//! Limits, and the optional parts of a table.

use anchor::prelude::*;

#[derive(Clone, SessionData)]
#[session(max_per_subject = "5", on_limit = "end_newest", keep_ended = "30 days")]
#[session(track = "yes", fingerprint = 7, cut_off = true)]
struct Unreadable {
    #[session(subject)]
    name: String,
}

#[derive(Clone, SessionData)]
#[session(max_per_subject = 0)]
struct None_ {
    #[session(subject)]
    name: String,
}

#[derive(Clone, SessionData)]
#[session(max_per_subject = 4294967296, keep_ended = "0s")]
struct OutOfRange {
    #[session(subject)]
    name: String,
}

#[derive(Clone, SessionData)]
#[session(on_limit = "refuse")]
struct OverflowOfNothing {
    #[session(subject)]
    name: String,
}

#[derive(Clone, SessionData)]
#[session(max_per_subject = 5, cut_off)]
struct Nobodys {
    name: String,
}

#[derive(Clone, SessionData)]
#[session(keep_ended = "30d", track, fingerprint)]
struct Taken {
    status: String,
    ended_at: String,
    #[session(column = "Ip_Address")]
    address: String,
    fingerprint: String,
}

/// Without the arguments, the names are free.
#[derive(Clone, SessionData)]
struct Free {
    #[session(subject)]
    status: String,
    ip_address: String,
    fingerprint: String,
}

fn a_payload_without_cut_offs(sessions: SessionManager<Free>) {
    let _ = sessions.cut_off(&String::new());
}

fn main() {}
