//! Registration, logins, the password, the administrator.

use std::time::Duration;

use reqwest::StatusCode;

use crate::on_every_backend;
use crate::site::{Backend, PASSWORD, Site, Visitor};

on_every_backend!(
    an_account_begins_when_its_address_is_confirmed,
    a_link_of_somebody_else_confirms_nothing,
    a_new_password_ends_the_other_sessions,
    of_two_new_passwords_at_once_one_is_set,
    a_login_outlives_a_restart,
    an_administrator_loses_the_role_at_once,
    of_two_administrators_who_demote_each_other_one_stays,
    a_login_that_has_read_a_role_loses_it_as_well,
    a_new_password_does_not_bring_a_role_back,
    a_new_name_is_in_every_session,
    a_login_that_has_read_an_old_name_and_role_has_the_new_ones,
    what_is_not_an_address_is_a_wrong_address,
);

async fn an_account_begins_when_its_address_is_confirmed(site: Site) {
    let mut visitor = site.visitor();
    let form = [("name", "Ann"), ("email", " Ann@Example.com "), ("password", PASSWORD)];
    let page = visitor.post("/register", &form).await.text().await.unwrap();
    assert!(page.contains("ann@example.com") && page.contains("outbox"), "{page}");
    assert_eq!(visitor.login("Ann", PASSWORD).await.status(), StatusCode::UNAUTHORIZED);

    let link = site.link("ann@example.com");
    assert!(visitor.page(&link).await.contains("Confirm your address"));
    assert!(visitor.page(&link).await.contains("Confirm your address"), "looking uses nothing up");
    let confirmed = visitor.post(&link, &[("password", PASSWORD)]).await;
    assert_eq!(confirmed.headers()["location"], "/profile");
    let profile = visitor.page("/profile").await;
    assert!(profile.contains("Welcome, Ann. Your address is confirmed."), "{profile}");
    assert!(!visitor.page("/profile").await.contains("Welcome"), "a message is shown once");

    let again = visitor.post(&link, &[("password", PASSWORD)]).await;
    assert_eq!(again.status(), StatusCode::GONE);
    assert_eq!(site.visitor().get(&link).await.status(), StatusCode::OK);

    // The same answer for an address that has an account, and another e-mail.
    let answer = site.visitor().post("/register", &form).await.text().await.unwrap();
    assert_eq!(answer, page);
    let mails = site.mails("ann@example.com");
    assert_eq!(mails.len(), 2);
    assert!(mails[1].contains("You have an account already"), "{}", mails[1]);
}

/// Somebody registers with the address of another person, and a password of their own, and waits
/// for that person to open the link.
async fn a_link_of_somebody_else_confirms_nothing(site: Site) {
    let form = |password| [("name", "Bob"), ("email", "bob@example.com"), ("password", password)];
    let (mut thief, mut bob) = (site.visitor(), site.visitor());
    thief.post("/register", &form("the password of the thief")).await;
    let thiefs_link = site.link("bob@example.com");
    let refused = bob.post(&thiefs_link, &[("password", PASSWORD)]).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);

    bob.post("/register", &form(PASSWORD)).await;
    let link = site.link("bob@example.com");
    assert_ne!(link, thiefs_link);
    let confirmed = bob.post(&link, &[("password", PASSWORD)]).await;
    assert_eq!(confirmed.status(), StatusCode::SEE_OTHER);
    let late = [("password", "the password of the thief")];
    assert_eq!(thief.post(&thiefs_link, &late).await.status(), StatusCode::GONE);
}

async fn a_new_password_ends_the_other_sessions(site: Site) {
    let mut desk = site.user("Ann").await;
    let mut phone = site.login("Ann").await;
    let change = |current| [("current", current), ("new", "another horse battery")];
    let wrong = desk.post("/profile/password", &change("not my password")).await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(phone.is_logged_in().await);

    let mut before = desk.clone();
    let changed = desk.post("/profile/password", &change(PASSWORD)).await;
    assert_eq!(changed.status(), StatusCode::SEE_OTHER);
    assert!(!phone.is_logged_in().await);
    assert!(!before.is_logged_in().await, "this device has another session now");
    let profile = desk.page("/profile").await;
    assert!(profile.contains("and 1 other device was logged out"), "{profile}");
    let mut visitor = site.visitor();
    assert_eq!(visitor.login("Ann", PASSWORD).await.status(), StatusCode::UNAUTHORIZED);
    let login = visitor.login("Ann", "another horse battery").await;
    assert_eq!(login.status(), StatusCode::SEE_OTHER);
}

/// A thief with the old password must not replace the new one a moment later.
async fn of_two_new_passwords_at_once_one_is_set(site: Site) {
    let mut ann = site.user("Ann").await;
    let mut thief = site.login("Ann").await;
    let form = |new| [("current", PASSWORD), ("new", new)];
    let (anns, thiefs) = (form("the new password of Ann"), form("the password of a thief"));
    let (one, other) = tokio::join!(
        ann.post("/profile/password", &anns),
        thief.post("/profile/password", &thiefs),
    );
    let set = |answer: &reqwest::Response| answer.status() == StatusCode::SEE_OTHER;
    assert_ne!(set(&one), set(&other), "{} {}", one.status(), other.status());
    let refused = if set(&one) { other.status() } else { one.status() };
    assert!([StatusCode::CONFLICT, StatusCode::UNAUTHORIZED].contains(&refused), "{refused}");
    let (is_anns, is_thiefs) = (set(&one), set(&other));
    assert_eq!((ann.is_logged_in().await, thief.is_logged_in().await), (is_anns, is_thiefs));
    for (password, is_set) in [(anns[1].1, is_anns), (thiefs[1].1, is_thiefs)] {
        let login = site.visitor().login("Ann", password).await;
        assert_eq!(login.status() == StatusCode::SEE_OTHER, is_set, "{password}");
    }
}

async fn a_login_outlives_a_restart(site: Site) {
    let ann = site.user("Ann").await;
    let next = site.another().await;
    site.stop().await;
    let mut elsewhere = next.visitor();
    elsewhere.cookies.clone_from(&ann.cookies);
    assert!(elsewhere.is_logged_in().await);
    elsewhere.post("/logout", &[]).await;
    elsewhere.cookies.clone_from(&ann.cookies);
    assert!(!elsewhere.is_logged_in().await);
}

async fn an_administrator_loses_the_role_at_once(site: Site) {
    let mut admin = site.user("Admin").await;
    let mut ann = site.user("Ann").await;
    assert_eq!(ann.get("/admin").await.status(), StatusCode::FORBIDDEN);
    let path = path_of(&mut admin, "ann@example.com").await;
    let role = format!("{path}/role");
    assert_eq!(ann.post(&role, &[("role", "admin")]).await.status(), StatusCode::FORBIDDEN);

    admin.post(&role, &[("role", "admin")]).await;
    assert!(admin.page("/admin").await.contains("Ann has another role now."));
    assert_eq!(ann.get("/admin").await.status(), StatusCode::OK);
    admin.post(&role, &[("role", "member")]).await;
    assert!(!ann.is_logged_in().await);
    let mut ann = site.login("Ann").await;
    assert_eq!(ann.get("/admin").await.status(), StatusCode::FORBIDDEN);
    let nonsense = admin.post(&role, &[("role", "king")]).await;
    assert_eq!(nonsense.status(), StatusCode::UNPROCESSABLE_ENTITY);

    admin.post(&format!("{path}/end"), &[]).await;
    assert!(!ann.is_logged_in().await);
    assert!(admin.page("/admin").await.contains("Ann is logged out: 1 session."));
}

async fn of_two_administrators_who_demote_each_other_one_stays(site: Site) {
    let mut admin = site.user("Admin").await;
    let mut ann = site.user("Ann").await;
    let anns = format!("{}/role", path_of(&mut admin, "ann@example.com").await);
    admin.post(&anns, &[("role", "admin")]).await;
    let admins = format!("{}/role", path_of(&mut ann, "admin@example.com").await);
    for round in 0..4 {
        let member = [("role", "member")];
        let (one, other) = tokio::join!(admin.post(&anns, &member), ann.post(&admins, &member));
        let changed = [&one, &other].map(|answer| answer.status() == StatusCode::SEE_OTHER);
        let (one, other) = (one.status(), other.status());
        assert_ne!(changed[0], changed[1], "round {round}: {one} {other}");
        let refused = if changed[0] { other } else { one };
        assert!(refused.is_client_error(), "round {round}: {refused}");

        let (stays, goes, name, path) = match changed[0] {
            true => (&mut admin, &mut ann, "Ann", &anns),
            false => (&mut ann, &mut admin, "Admin", &admins),
        };
        assert!(!goes.is_logged_in().await, "round {round}");
        // Also a login has the role back only if somebody gives it.
        *goes = site.login(name).await;
        assert_eq!(goes.get("/admin").await.status(), StatusCode::FORBIDDEN, "round {round}");
        assert_eq!(stays.post(path, &[("role", "admin")]).await.status(), StatusCode::SEE_OTHER);
        assert_eq!(goes.get("/admin").await.status(), StatusCode::OK, "round {round}");
    }
}

/// Returns where an administrator changes this user.
async fn path_of(admin: &mut Visitor, email: &str) -> String {
    let page = admin.page("/admin").await;
    let (_, rest) = page.split_once(email).expect("the user is on the page");
    let (_, id) = rest.split_once("/admin/users/").expect("a form");
    format!("/admin/users/{}", id.split('/').next().unwrap())
}

/// Checking a password takes a while. Whoever has lost the role meanwhile must not come in with it.
async fn a_login_that_has_read_a_role_loses_it_as_well(site: Site) {
    let mut admin = site.user("Admin").await;
    site.user("Ann").await;
    let role = format!("{}/role", path_of(&mut admin, "ann@example.com").await);
    admin.post(&role, &[("role", "admin")]).await;
    let mut ann = site.visitor();
    let login = tokio::spawn(async move {
        ann.login("Ann", PASSWORD).await;
        ann
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    admin.post(&role, &[("role", "member")]).await;
    let mut ann = login.await.unwrap();
    assert_ne!(ann.get("/admin").await.status(), StatusCode::OK);
}

async fn a_new_password_does_not_bring_a_role_back(site: Site) {
    let mut admin = site.user("Admin").await;
    let mut ann = site.user("Ann").await;
    let role = format!("{}/role", path_of(&mut admin, "ann@example.com").await);
    admin.post(&role, &[("role", "admin")]).await;
    let change = tokio::spawn(async move {
        let form = [("current", PASSWORD), ("new", "another horse battery")];
        ann.post("/profile/password", &form).await;
        ann
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    admin.post(&role, &[("role", "member")]).await;
    let mut ann = change.await.unwrap();
    assert_ne!(ann.get("/admin").await.status(), StatusCode::OK);

    // An administrator who was not demoted stays one.
    let form = [("current", PASSWORD), ("new", "another horse battery")];
    admin.post("/profile/password", &form).await;
    assert_eq!(admin.get("/admin").await.status(), StatusCode::OK);
}

async fn a_new_name_is_in_every_session(site: Site) {
    let mut desk = site.user("Ann").await;
    let mut phone = site.login("Ann").await;
    desk.post("/profile/name", &[("name", "<b>Anna</b>")]).await;
    for visitor in [&mut desk, &mut phone] {
        let page = visitor.page("/vote").await;
        assert!(page.contains("&#60;b&#62;Anna&#60;/b&#62;</a>"), "{page}");
    }
    let empty = desk.post("/profile/name", &[("name", " ")]).await;
    assert_eq!(empty.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

/// The user changes while a password is checked.
async fn a_login_that_has_read_an_old_name_and_role_has_the_new_ones(site: Site) {
    let mut admin = site.user("Admin").await;
    let mut ann = site.user("Ann").await;
    let role = format!("{}/role", path_of(&mut admin, "ann@example.com").await);
    let mut phone = site.visitor();
    let login = tokio::spawn(async move {
        phone.login("Ann", PASSWORD).await;
        phone
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (name, admin_role) = ([("name", "Anna")], [("role", "admin")]);
    let (renamed, promoted) =
        tokio::join!(ann.post("/profile/name", &name), admin.post(&role, &admin_role));
    assert_eq!(renamed.status(), StatusCode::SEE_OTHER);
    assert_eq!(promoted.status(), StatusCode::SEE_OTHER);
    let mut phone = login.await.unwrap();
    for visitor in [&mut ann, &mut phone] {
        let me = visitor.page("/api/me").await;
        assert_eq!(me, r#"{"name":"Anna","role":"admin"}"#);
    }
}

async fn what_is_not_an_address_is_a_wrong_address(site: Site) {
    for email in ["", "\0", "ann@example.com\0", "\u{fffd}", "'", "%"] {
        let form = [("email", email), ("password", PASSWORD)];
        let answer = site.visitor().post("/login", &form).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{email:?}");
    }
}

#[tokio::test]
async fn an_administrator_is_asked_again_after_half_an_hour() {
    let Some(site) = Site::start(Backend::Postgres).await else { return };
    let mut admin = site.user("Admin").await;
    let later = "UPDATE sessions SET authenticated_at = authenticated_at - interval '31 minutes'";
    site.run(later).await;
    let asked = admin.get("/admin").await;
    let login = asked.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(login, "/login?next=/admin&reason=reauthentication_required");
    assert!(admin.page(&login).await.contains("This page needs a recent login"));
    let id = "00000000-0000-0000-0000-000000000000";
    for path in [format!("/admin/users/{id}/role"), format!("/admin/users/{id}/end")] {
        let refused = admin.post(&path, &[("role", "admin")]).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    }
    let form = [("email", "admin@example.com"), ("password", PASSWORD)];
    let again = admin.post(&login, &form).await;
    assert_eq!(again.headers()["location"], "/admin");
    assert_eq!(admin.get("/admin").await.status(), StatusCode::OK);
}

/// If the sessions cannot be ended, the password stays.
#[tokio::test]
async fn a_password_and_the_sessions_change_together() {
    for (backend, no_cut_off) in [
        (
            Backend::Sqlite,
            "CREATE TRIGGER not_now BEFORE INSERT ON sessions_cut_offs \
             BEGIN SELECT RAISE(ABORT, 'not now'); END",
        ),
        (
            Backend::Postgres,
            "ALTER TABLE sessions_cut_offs ADD CONSTRAINT not_now CHECK (subject IS NULL)",
        ),
    ] {
        let Some(site) = Site::start(backend).await else { continue };
        let mut ann = site.user("Ann").await;
        site.run(no_cut_off).await;
        let form = [("current", PASSWORD), ("new", "another horse battery")];
        let failed = ann.post("/profile/password", &form).await;
        assert_ne!(failed.status(), StatusCode::SEE_OTHER, "{backend:?}");
        assert!(ann.is_logged_in().await, "{backend:?}");
        let old = site.visitor().login("Ann", PASSWORD).await;
        assert_eq!(old.status(), StatusCode::SEE_OTHER, "{backend:?}: the old password is valid");
    }
}

#[tokio::test]
async fn a_wrong_password_keeps_the_address_and_says_nothing_of_the_account() {
    let site = Site::start(Backend::Sqlite).await.unwrap();
    site.user("Ann").await;
    let page = async |email| {
        let form = [("email", email), ("password", "wrong horse battery")];
        let answer = site.visitor().post("/login", &form).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        answer.text().await.unwrap()
    };
    let known = page("ann@example.com").await;
    assert!(known.contains(r#"value="ann@example.com""#), "{known}");
    assert!(known.contains("Wrong address or password."), "{known}");
    let unknown = page("eve@example.com").await;
    assert_eq!(known.replace("ann@", "eve@"), unknown);
}

#[tokio::test]
async fn passwords_are_not_guessed_fast() {
    let site = Site::start(Backend::Sqlite).await.unwrap();
    let mut guesser = site.visitor();
    for _ in 0..5 {
        let refused = guesser.login("Ann", "a guess of a password").await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    }
    let refused = guesser.login("Ann", "a guess of a password").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(refused.text().await.unwrap().contains("Please wait a moment"));
}

#[tokio::test]
async fn only_a_remembered_login_outlives_the_browser() {
    let site = Site::start(Backend::Sqlite).await.unwrap();
    site.user("Ann").await;
    let cookie = async |remember: &[(&str, &str)]| {
        let form = [&[("email", "ann@example.com"), ("password", PASSWORD)], remember].concat();
        let login = site.visitor().post("/login", &form).await;
        login.headers()["set-cookie"].to_str().unwrap().to_owned()
    };
    let short = cookie(&[]).await;
    assert!(!short.contains("Max-Age"), "{short}");
    let long = cookie(&[("remember", "yes")]).await;
    assert!(long.contains("Max-Age=") && long.contains("HttpOnly"), "{long}");
    assert!(long.contains("SameSite=Lax"), "{long}");
}

#[tokio::test]
async fn a_login_leads_back_to_the_page_that_was_asked_for_and_to_no_other_site() {
    let site = Site::start(Backend::Sqlite).await.unwrap();
    site.user("Ann").await;
    let refused = site.visitor().get("/devices").await;
    assert_eq!(refused.status(), StatusCode::SEE_OTHER);
    assert_eq!(refused.headers()["location"], "/login?next=/devices");
    let form = [("email", "ann@example.com"), ("password", PASSWORD)];
    for (next, target) in [("/devices", "/devices"), ("//evil.example", "/profile")] {
        let login = site.visitor().post(&format!("/login?next={next}"), &form).await;
        assert_eq!(login.headers()["location"], target);
    }
}

#[tokio::test]
async fn what_cannot_be_an_account_is_refused() {
    let site = Site::start(Backend::Sqlite).await.unwrap();
    let long = format!("{}@{}example.com", "a".repeat(60), "b.".repeat(95));
    for (name, email, password) in [
        ("Ann", "not an address", PASSWORD),
        ("Ann", &long, PASSWORD),
        ("", "ann@example.com", PASSWORD),
        ("Ann", "ann@example.com", "short"),
    ] {
        let form = [("name", name), ("email", email), ("password", password)];
        let refused = site.visitor().post("/register", &form).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = refused.text().await.unwrap();
        assert!(page.contains(r#"role="alert""#) && page.contains(email), "{page}");
    }
    assert_eq!(site.mails("ann@example.com").len(), 0);
}
