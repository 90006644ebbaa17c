//! Mistakes in `#[session(..)]`, all of one struct in one go.

use anchor::SessionData;

#[derive(Clone, SessionData)]
#[session(tabel = "sessions", idle = "2h", idle = "3h", subject, absolute)]
#[session(timeout = "2h", cookie = 5, table = "", migrations = true, crate = "not a path")]
#[session]
#[session = "sessions"]
#[session(idle "2h", "table", cut_off =, max_per_subject = "5", keep_ended "30d")]
struct OnTheStruct {
    user_id: i64,
}

#[derive(Clone, SessionData)]
struct OnTheFields {
    #[session(subjct, table = "users")]
    user_id: i64,
    #[session(json = "yes", default)]
    cart: Vec<u8>,
    #[session(column = name)]
    name: String,
    #[session(index, index, on_change = "drop", sql_type = " ")]
    #[session(default = )]
    role: String,
}

fn main() {}
