//! Mistakes in the arguments of `#[require_session]` and `#[logout]`.

use anchor::prelude::*;

#[derive(Clone, SessionData)]
struct UserSession {
    admin: bool,
}

#[require_session(wehn = |_| true, freshness = 5, fresh)]
async fn unknown() {}

#[require_session(UserSession, wehn = |one, other| one == other, role = "admin", redirect = " ")]
async fn unknown_closure() {}

#[require_session("UserSession")]
async fn quoted() {}

#[require_session(when = |session: &UserSession| session.admin)]
async fn when_without_a_type() {}

#[require_session(UserSession, when = "is_admin", fresh = 600, policy = 5)]
async fn wrong_values() {}

#[require_session(UserSession, fresh = "600", policy = , crate = "a b")]
async fn more_wrong_values() {}

#[require_session(UserSession, UserSession, fresh = "5m", fresh = "6m")]
async fn given_twice() {}

#[require_session(fresh = "5m", UserSession)]
async fn type_last() {}

#[require_session(when = |session| session.admin, role = 5, UserSession)]
async fn type_after_the_policies() {}

#[require_session(UserSession, when: |one, other| one == other, fresh: "5m")]
async fn colons() {}

#[require_session(wehn: |one, other| one == other)]
async fn colon_after_an_unknown_name() {}

#[require_session(when)]
async fn no_value() {}

#[require_session(UserSession, authoritative = true)]
async fn flag_with_a_value() {}

#[require_session(UserSession, authoritative, authoritative)]
async fn flag_twice() {}

#[require_session(UserSession, authorative)]
async fn misspelt_flag() {}

#[require_session(authoritative)]
async fn flag_without_a_type() {}

#[logout(when = |_| true)]
async fn logout_has_no_policies() {}

#[logout(al)]
async fn unknown_reach() {}

#[logout(UserSession, all, others)]
async fn two_reaches() {}

#[logout(all, all)]
async fn one_reach_twice() {}

#[logout(all, UserSession)]
async fn type_after_the_reach() {}

#[logout(UserSession AdminSession)]
async fn no_comma() {}

#[logout(UserSession, all = true, redirect = "/login")]
async fn word_with_a_value() {}

fn main() {}
