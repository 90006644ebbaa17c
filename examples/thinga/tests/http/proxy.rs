//! What the proxy says about a request.

use reqwest::{Method, StatusCode};

use crate::site::{Backend, Site};

/// Logs in as nobody, from where the proxy says.
async fn login(site: &Site, name: &str, header: Option<&str>) -> StatusCode {
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let mut headers = vec![kind];
    headers.extend(header.map(|value| ("x-forwarded-for", value)));
    let body = format!("email={name}%40example.com&password=wrong");
    site.visitor().send(Method::POST, "/login", &headers, body).await.status()
}

/// Logs in as others until the limit of an address is reached, from three that must be the same:
/// none of them is used often enough to reach it alone.
async fn use_up(site: &Site, from: impl Fn(usize) -> Option<String>) {
    for n in 0..45 {
        let from = from(n);
        match login(site, &format!("user{n}"), from.as_deref()).await {
            StatusCode::TOO_MANY_REQUESTS => return assert!(n >= 20, "{n}"),
            answer => assert_eq!(answer, StatusCode::UNAUTHORIZED, "{from:?}"),
        }
    }
    panic!("there is no limit");
}

#[tokio::test]
async fn an_address_has_its_limit_on_every_port_and_without_one_all_share_one() {
    let site = Site::start_with(Backend::Sqlite, |config| {
        config.client_ip_header = Some("x-forwarded-for".parse().unwrap());
    });
    let site = site.await.unwrap();
    use_up(&site, |n| match n % 3 {
        0 => Some("192.0.2.1".into()),
        1 => Some(format!("192.0.2.1:{n}")),
        _ => Some(format!("10.0.0.{n}, [::ffff:192.0.2.1]:{n}")),
    })
    .await;
    let unusable = [Some("unknown"), Some("192.0.2.1, "), None];
    use_up(&site, |n| unusable[n % 3].map(str::to_owned)).await;
    for from in ["192.0.2.2", "[2001:db8::1]:80", "2001:db8:0:1::1"] {
        assert_eq!(login(&site, "another", Some(from)).await, StatusCode::UNAUTHORIZED, "{from}");
    }
}
