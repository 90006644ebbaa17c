//! Mistakes in `#[derive(Column)]`.

use anchor::{Column, SessionData};

#[derive(Column)]
enum Empty {}

#[derive(Clone, Column)]
#[column(rename = "x", rename_al = "lowercase")]
enum WithFields {
    Unit,
    Tuple(u8),
    Named { value: u8 },
}

#[derive(Column)]
#[column(rename_all = "Train-Case")]
enum UnknownCase {
    One,
}

#[derive(Column)]
enum Clash {
    One,
    #[column(rename = "one")]
    Two,
    #[column(rename = "")]
    Three,
    #[column(rename_all = "lowercase", rename = "four", rename = "fore")]
    Four,
}

#[derive(Column)]
enum Renamed {
    #[column(renamed_from = "one")]
    One,
    #[column(renamed_from = "old")]
    Two,
    #[column(renamed_from = "old")]
    Three,
}

#[derive(Column)]
struct Two(String, String);

#[derive(Column)]
struct Unit;

#[derive(Column)]
struct Generic<T>(T);

#[derive(Column)]
#[column(rename_all = "lowercase")]
struct Misplaced(#[column(rename = "x")] String);

#[derive(Column)]
struct OnTheField(#[column] String);

#[derive(Column)]
struct UnknownOnTheField(#[column(length = 5)] String);

#[derive(Column)]
union Union {
    number: u32,
}

// The stub lets this compile.
#[derive(Clone, SessionData)]
struct UserSession {
    role: WithFields,
}

fn main() {}
