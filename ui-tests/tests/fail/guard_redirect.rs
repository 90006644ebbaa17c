//! Login pages that `redirect` does not take.

use anchor::prelude::*;

#[require_session(redirect = login)]
async fn a_path_of_rust() {}

#[require_session(redirect = "login")]
async fn relative() {}

#[require_session(redirect = "https://login.example.com")]
async fn another_origin() {}

#[require_session(redirect = "//login.example.com")]
async fn another_host() {}

#[require_session(redirect = "/\\login.example.com")]
async fn a_backslash() {}

#[require_session(redirect = "/log in")]
async fn a_space() {}

#[require_session(redirect = "/login#form")]
async fn a_fragment() {}

#[require_session(redirect = "")]
async fn empty() {}

#[require_session(redirect = "/login", redirect = "/signin")]
async fn twice() {}

#[require_session(redirect)]
async fn no_value() {}

#[logout(redirect = "/")]
async fn of_a_logout() {}

fn main() {}
