//! A visitor's cart survives the login: the guest's session is consumed, and its payload goes into
//! that of the user.

use std::collections::BTreeSet;

use anchor::prelude::*;
use anchor::store::{Load, Page};
use anchor::{Error, SessionId, Timestamp};
use anchor_tests::http::{Answer, Served};
use anchor_tests::{Backend, Verb, Watched};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;

use crate::application::KEY;
use crate::tokens::id_of;

on_every_store![
    the_cart_goes_from_the_guest_to_the_user_with_a_new_id_and_a_new_secret,
    a_guest_reaches_no_handler_that_asks_for_a_user_and_is_not_listed,
    of_two_logins_with_one_guest_one_has_the_cart_and_the_other_leaves_no_session,
    what_another_tab_puts_into_the_cart_during_the_login_is_carried_or_refused,
    an_update_that_is_under_way_when_the_guest_is_consumed_writes_nothing,
    an_update_that_is_answered_before_the_consumption_is_carried,
    a_tab_that_begins_again_as_another_guest_has_its_own_cart,
    a_login_that_its_limit_refuses_leaves_the_guest_the_cart,
    a_store_that_fails_half_way_leaves_the_guest_the_cart,
    a_guest_who_logs_out_during_the_login_has_no_cart_to_carry,
    a_client_that_leaves_during_a_consumption_leaves_no_session_that_nobody_can_use,
    an_abandoned_guest_ends_before_an_idle_user,
];

/// A visitor who has not logged in: no subject, so it is never listed, and a short life.
#[derive(Debug, Clone, SessionData)]
#[session(table = "visitors", cookie = "__Host-visitor", idle = "30m", absolute = "7d")]
struct Guest {
    #[session(json)]
    cart: Vec<String>,
}

#[derive(Debug, Clone, SessionData)]
#[session(table = "shoppers", cookie = "__Host-shopper", max_per_subject = 2, on_limit = "refuse")]
struct Shopper {
    #[session(subject)]
    name: String,
    #[session(json)]
    cart: Vec<String>,
}

/// Puts something into the cart of whoever this is.
async fn add(
    guest: Option<Session<Guest>>,
    shopper: Option<Session<Shopper>>,
    guests: Auth<Guest>,
    item: String,
) -> Result<(), Error> {
    if let Some(mut shopper) = shopper {
        shopper.update(|shopper| shopper.cart.push(item.clone())).await
    } else if let Some(mut guest) = guest {
        guest.update(|guest| guest.cart.push(item.clone())).await
    } else {
        guests.login(Guest { cart: vec![item] }).await.map(drop)
    }
}

/// The recipe of docs/guests.md. The login comes first: if it is refused, the guest keeps the cart.
async fn login(
    guest: Option<Session<Guest>>,
    auth: Auth<Shopper>,
    name: String,
) -> Result<(), Error> {
    let mut session = auth.login(Shopper { name, cart: Vec::new() }).await?.into_session();
    if let Some(guest) = guest {
        let guest = guest.consume().await?;
        session.update(|shopper| shopper.cart.extend(guest.cart.clone())).await?;
    }
    Ok(())
}

#[require_session(Shopper)]
async fn cart(shopper: Shopper) -> Json<Vec<String>> {
    Json(shopper.cart)
}

async fn guests_cart(guest: Guest) -> Json<Vec<String>> {
    Json(guest.cart)
}

async fn begin_again(guests: Auth<Guest>) -> Result<(), Error> {
    guests.login(Guest { cart: vec!["another".into()] }).await.map(drop)
}

#[logout(Guest)]
async fn leave() {}

struct Shop {
    guests: Watched<Guest>,
    manager: SessionManager<Guest>,
    shoppers: Watched<Shopper>,
    served: Served,
}

impl Shop {
    async fn open(backend: &Backend) -> Self {
        let guests = Watched::new(backend.store::<Guest>().await);
        let shoppers = Watched::new(backend.store::<Shopper>().await);
        let keys = KeyRing::new([KEY]).unwrap();
        let manager = SessionManager::builder(guests.clone()).keys(keys.clone()).build().unwrap();
        let users = SessionManager::builder(shoppers.clone()).keys(keys).build().unwrap();
        let router = Router::new()
            .route("/cart", get(cart).post(add))
            .route("/guests-cart", get(guests_cart))
            .route("/login", post(login))
            .route("/begin-again", post(begin_again))
            .route("/leave", post(leave))
            .layer(manager.layer())
            .layer(users.layer());
        Self { guests, manager, shoppers, served: Served::start(router).await }
    }

    /// A guest's cookie, with these items in the cart.
    async fn guest(&self, items: &[&str]) -> String {
        let mut cookie = String::new();
        for item in items {
            let added = self.add(&cookie, item).await.expect(StatusCode::OK);
            if cookie.is_empty() {
                cookie = added.cookie();
            }
        }
        cookie
    }

    async fn add(&self, cookie: &str, item: &str) -> Answer {
        self.served.post("/cart").cookie(cookie).body(item.to_owned()).send().await
    }

    async fn log_in(&self, cookie: &str, name: &str) -> Answer {
        self.served.post("/login").cookie(cookie).body(name.to_owned()).send().await
    }

    async fn cart(&self, path: &str, cookie: &str) -> Vec<String> {
        let cart = self.served.get(path).cookie(cookie).send().await.expect(StatusCode::OK);
        serde_json::from_slice(&cart.body).unwrap()
    }

    async fn is_live(&self, guest: SessionId) -> bool {
        self.manager.get(guest).await.unwrap().is_some()
    }
}

/// What a browser sends after it was told to remove the one cookie and to keep the other one.
fn user_of(login: &Answer) -> String {
    let (set, removed): (Vec<_>, Vec<_>) =
        login.set_cookies().into_iter().partition(|cookie| !cookie.contains("Max-Age=0"));
    assert!(removed.len() == 1 && removed[0].starts_with("__Host-visitor=;"), "{login:?}");
    assert_eq!(set.len(), 1, "{login:?}");
    set[0].split(';').next().unwrap().to_owned()
}

async fn the_cart_goes_from_the_guest_to_the_user_with_a_new_id_and_a_new_secret(backend: Backend) {
    let shop = Shop::open(&backend).await;
    let guest = shop.guest(&["anchor", "rope"]).await;
    shop.guests.reset();
    let login = shop.log_in(&guest, "ferris").await.expect(StatusCode::OK);
    let calls = [Verb::Load, Verb::Consume].map(|verb| shop.guests.calls(verb));
    assert_eq!((calls, shop.guests.all_calls()), ([1, 1], 2), "one statement after the load");
    let user = user_of(&login);
    assert_eq!(shop.cart("/cart", &user).await, ["anchor", "rope"]);
    assert_ne!(id_of(&user), id_of(&guest));
    assert_ne!(crate::tokens::bytes_of(&user)[18..50], crate::tokens::bytes_of(&guest)[18..50]);
    // The old cookie opens nothing, and revives nothing.
    let replay = shop.served.get("/guests-cart").cookie(&guest).send().await;
    replay.expect(StatusCode::UNAUTHORIZED);
    assert!(!shop.is_live(id_of(&guest)).await);
    assert_eq!(shop.cart("/cart", &format!("{guest}; {user}")).await, ["anchor", "rope"]);
}

async fn a_guest_reaches_no_handler_that_asks_for_a_user_and_is_not_listed(backend: Backend) {
    let shop = Shop::open(&backend).await;
    let guest = shop.guest(&["anchor"]).await;
    let refused = shop.served.get("/cart").cookie(&guest).send().await;
    refused.expect(StatusCode::UNAUTHORIZED);
    // The token in the other cookie.
    let disguised = guest.replacen("__Host-visitor", "__Host-shopper", 1);
    let refused = shop.served.get("/cart").cookie(&disguised).send().await;
    refused.expect(StatusCode::UNAUTHORIZED);
    // Without a subject, `manager.list(..)` does not even compile.
    assert!(shop.manager.get(id_of(&guest)).await.unwrap().unwrap().data.subject().is_none());
}

async fn of_two_logins_with_one_guest_one_has_the_cart_and_the_other_leaves_no_session(
    backend: Backend,
) {
    let shop = Shop::open(&backend).await;
    for round in 0..8 {
        let guest = shop.guest(&["anchor"]).await;
        let names = ["ferris", "corro"].map(|name| format!("{name} {round}"));
        let logins = tokio::join!(shop.log_in(&guest, &names[0]), shop.log_in(&guest, &names[1]));
        let logins = [logins.0, logins.1];
        let won: Vec<_> = logins.iter().filter(|login| login.status == StatusCode::OK).collect();
        // One that comes after the other has been answered is not a guest's any more.
        let carts: Vec<_> = {
            let mut carts = Vec::new();
            for login in &won {
                let user = login.set_cookies().into_iter().find(|it| it.contains("shopper"));
                let user = user.unwrap().split(';').next().unwrap().to_owned();
                carts.push(shop.cart("/cart", &user).await);
            }
            carts
        };
        assert_eq!(carts.iter().flatten().count(), 1, "exactly one cart: {logins:?}");
        for (login, name) in logins.iter().zip(names) {
            let live = shop.shoppers.inner().list(&name, Page::first(9));
            let live = live.await.unwrap().len();
            if login.status == StatusCode::OK {
                assert_eq!(live, 1);
            } else {
                let refused = [StatusCode::UNAUTHORIZED, StatusCode::CONFLICT];
                assert!(refused.contains(&login.status), "{login:?}");
                assert!(login.set_cookies().is_empty(), "the other's cookie stays: {login:?}");
                assert_eq!(live, 0, "a session of nobody");
            }
        }
    }
}

async fn what_another_tab_puts_into_the_cart_during_the_login_is_carried_or_refused(
    backend: Backend,
) {
    let shop = Shop::open(&backend).await;
    for round in 0..8 {
        let guest = shop.guest(&["first"]).await;
        let fill = async {
            let mut answered = BTreeSet::from(["first".to_owned()]);
            for number in 0..12 {
                let item = format!("item {number}");
                match shop.add(&guest, &item).await.status {
                    // A guest whose session has ended begins another one.
                    StatusCode::OK if !shop.is_live(id_of(&guest)).await => break,
                    StatusCode::OK => drop(answered.insert(item)),
                    StatusCode::UNAUTHORIZED => break,
                    status => panic!("{status}"),
                }
            }
            answered
        };
        let login = async {
            tokio::time::sleep(std::time::Duration::from_millis(round)).await;
            shop.log_in(&guest, &format!("ferris {round}")).await
        };
        let (answered, login) = tokio::join!(fill, login);
        let login = login.expect(StatusCode::OK);
        let carried: BTreeSet<_> = shop.cart("/cart", &user_of(&login)).await.into_iter().collect();
        assert!(carried.is_superset(&answered), "{answered:?} was answered, {carried:?} carried");
        assert!(!shop.is_live(id_of(&guest)).await);
    }
}

/// The update has been admitted, and reaches the store when the guest is gone.
async fn an_update_that_is_under_way_when_the_guest_is_consumed_writes_nothing(backend: Backend) {
    let shop = Shop::open(&backend).await;
    let guest = shop.guest(&["anchor"]).await;
    let hold = shop.guests.hold(Verb::Update);
    let late = shop.add(&guest, "late");
    let login = async {
        hold.reached().await;
        let login = shop.log_in(&guest, "ferris").await.expect(StatusCode::OK);
        hold.release();
        login
    };
    let (late, login) = tokio::join!(late, login);
    assert_eq!(late.expect(StatusCode::UNAUTHORIZED).set_cookies().len(), 0);
    assert_eq!(shop.cart("/cart", &user_of(&login)).await, ["anchor"]);
    assert!(!shop.is_live(id_of(&guest)).await, "nothing revives it");
}

/// The login has been admitted, and the consumption has not reached the store.
async fn an_update_that_is_answered_before_the_consumption_is_carried(backend: Backend) {
    let shop = Shop::open(&backend).await;
    let guest = shop.guest(&["anchor"]).await;
    let hold = shop.guests.hold(Verb::Consume);
    let login = shop.log_in(&guest, "ferris");
    let add = async {
        hold.reached().await;
        shop.add(&guest, "in time").await.expect(StatusCode::OK);
        hold.release();
    };
    let (login, ()) = tokio::join!(login, add);
    assert_eq!(shop.cart("/cart", &user_of(&login)).await, ["anchor", "in time"]);
}

/// Another tab begins anew before the consumption reaches the store: that ends the row whose cookie
/// it presents, so there is no cart to carry, and the login is refused.
async fn a_tab_that_begins_again_as_another_guest_has_its_own_cart(backend: Backend) {
    let shop = Shop::open(&backend).await;
    let guest = shop.guest(&["anchor"]).await;
    let hold = shop.guests.hold(Verb::Consume);
    let login = shop.log_in(&guest, "ferris");
    let begin_again = async {
        hold.reached().await;
        let again = shop.served.post("/begin-again").cookie(&guest).send().await;
        hold.release();
        again.expect(StatusCode::OK).cookie()
    };
    let (login, again) = tokio::join!(login, begin_again);
    let login = login.expect(StatusCode::UNAUTHORIZED);
    assert!(login.set_cookies().is_empty(), "{login:?}");
    let live = shop.shoppers.inner().list(&"ferris".to_owned(), Page::first(9)).await.unwrap();
    assert!(live.is_empty(), "a login that fails leaves no session");
    assert_eq!(shop.cart("/guests-cart", &again).await, ["another"]);
}

async fn a_login_that_its_limit_refuses_leaves_the_guest_the_cart(backend: Backend) {
    let shop = Shop::open(&backend).await;
    for _ in 0..2 {
        shop.log_in("", "ferris").await.expect(StatusCode::OK);
    }
    let guest = shop.guest(&["anchor"]).await;
    let refused = shop.log_in(&guest, "ferris").await.expect(StatusCode::CONFLICT);
    assert!(refused.set_cookies().is_empty(), "{refused:?}");
    assert_eq!(shop.cart("/guests-cart", &guest).await, ["anchor"]);
}

async fn a_store_that_fails_half_way_leaves_the_guest_the_cart(backend: Backend) {
    let shop = Shop::open(&backend).await;
    let guest = shop.guest(&["anchor"]).await;
    shop.guests.fail(Verb::Consume, true);
    let failed = shop.log_in(&guest, "ferris").await.expect(StatusCode::SERVICE_UNAVAILABLE);
    shop.guests.fail(Verb::Consume, false);
    assert!(failed.set_cookies().is_empty(), "{failed:?}");
    assert_eq!(shop.cart("/guests-cart", &guest).await, ["anchor"]);
    let ferris = "ferris".to_owned();
    let live = shop.shoppers.inner().list(&ferris, Page::first(9)).await.unwrap();
    assert!(live.is_empty(), "a login that fails leaves no session");
    let login = shop.log_in(&guest, "ferris").await.expect(StatusCode::OK);
    assert_eq!(shop.cart("/cart", &user_of(&login)).await, ["anchor"]);
}

async fn a_guest_who_logs_out_during_the_login_has_no_cart_to_carry(backend: Backend) {
    let shop = Shop::open(&backend).await;
    let guest = shop.guest(&["anchor"]).await;
    let hold = shop.guests.hold(Verb::Consume);
    let login = shop.log_in(&guest, "ferris");
    let leave = async {
        hold.reached().await;
        let left = shop.served.post("/leave").cookie(&guest).send().await.expect(StatusCode::OK);
        hold.release();
        left
    };
    let (login, _) = tokio::join!(login, leave);
    login.expect(StatusCode::UNAUTHORIZED);
    assert!(!shop.is_live(id_of(&guest)).await);
}

async fn a_client_that_leaves_during_a_consumption_leaves_no_session_that_nobody_can_use(
    backend: Backend,
) {
    let shop = Shop::open(&backend).await;
    let guest = shop.guest(&["anchor"]).await;
    let hold = shop.guests.hold(Verb::Consume);
    let login = shop.served.post("/login").cookie(&guest).body("ferris").try_send();
    tokio::select! {
        _ = login => panic!("it is held"),
        () = hold.reached() => {}
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    hold.release();
    let mut tries = 0;
    while shop.is_live(id_of(&guest)).await {
        tries += 1;
        assert!(tries < 1_000, "the guest's session is live, and nobody has its secret");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// A guest's row is swept after half an hour, by the struct's own `idle`.
async fn an_abandoned_guest_ends_before_an_idle_user(backend: Backend) {
    let shop = Shop::open(&backend).await;
    let guest = shop.guest(&["anchor"]).await;
    let login = shop.log_in(&guest, "ferris").await.expect(StatusCode::OK);
    let (user, guest) = (user_of(&login), shop.guest(&["rope"]).await);
    let guest = shop.manager.get(id_of(&guest)).await.unwrap().unwrap();
    let Load::Live(user) = shop.shoppers.inner().load(id_of(&user)).await.unwrap() else {
        panic!("the user is logged in");
    };
    let lives = |from: Timestamp, to: Timestamp| (to.as_micros() - from.as_micros()) / 60_000_000;
    assert_eq!(lives(guest.created_at, guest.expires_at), 30);
    assert!(lives(user.record.created_at, user.record.expires_at) >= 119);
}
