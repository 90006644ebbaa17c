//! Durations and the cookie's name.

use anchor::SessionData;

#[derive(Clone, SessionData)]
#[session(idle = "2 hours", absolute = "90", cookie = "my id;")]
struct Unreadable {
    name: String,
}

#[derive(Clone, SessionData)]
#[session(idle = "0s", absolute = "99999999999999999999w")]
struct OutOfRange {
    name: String,
}

#[derive(Clone, SessionData)]
#[session(idle = "2d", absolute = "1d12h")]
struct IdleLongerThanAbsolute {
    name: String,
}

#[derive(Clone, SessionData)]
#[session(idle = "15d")]
struct IdleLongerThanTheDefault {
    name: String,
}

fn main() {}
