//! `#[session(impersonator)]`: a field that is always somebody, and two of them.

use anchor::SessionData;

#[derive(Clone, SessionData)]
struct AlwaysSomebody {
    #[session(subject)]
    user_id: i64,
    #[session(impersonator)]
    admin_id: i64,
}

#[derive(Clone, SessionData)]
struct TwoOfThem {
    #[session(impersonator)]
    admin_id: Option<i64>,
    #[session(impersonator)]
    supervisor: Option<i64>,
}

fn main() {}
