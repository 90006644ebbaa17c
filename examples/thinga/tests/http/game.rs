//! Votes, of users and guests.

use reqwest::StatusCode;

use crate::on_every_backend;
use crate::site::{Backend, Site};

on_every_backend!(
    a_vote_that_is_sent_many_times_counts_once,
    votes_of_a_guest_survive_the_login,
    a_login_form_that_is_sent_twice_brings_the_votes_along,
    votes_that_a_guest_gives_during_the_login_come_along,
    a_visitor_without_a_session_votes_for_nothing,
    the_leaderboard_shows_what_won,
    nonsense_is_not_counted,
);

async fn a_vote_that_is_sent_many_times_counts_once(site: Site) {
    let mut guest = site.visitor();
    let (one, other) = guest.pair().await;
    let clicks: Vec<_> = (0..16)
        .map(|click| {
            let (mut guest, one, other) = (guest.clone(), one.clone(), other.clone());
            tokio::spawn(async move {
                let winner = if click % 2 == 0 { &one } else { &other };
                guest.vote(&one, &other, winner).await.status()
            })
        })
        .collect();
    for click in clicks {
        assert_eq!(click.await.unwrap(), StatusCode::SEE_OTHER);
    }
    let page = guest.page("/vote").await;
    let before = page.matches("You have voted on those two before.").count();
    assert_eq!(before, 1, "the session does not grow with each click: {page}");
    assert_eq!(guest.votes().await, 1);
    // Whichever of the two comes first.
    guest.vote(&other, &one, &one).await;
    assert_eq!(guest.votes().await, 1);
}

async fn votes_of_a_guest_survive_the_login(site: Site) {
    let mut ann = site.user("Ann").await;
    ann.vote("1", "2", "1").await;
    ann.post("/logout", &[]).await;

    ann.pair().await;
    // On the first pair, Ann has voted before: that vote stays.
    ann.vote("1", "2", "2").await;
    ann.vote("2", "3", "2").await;
    assert_eq!(ann.votes().await, 2);
    let before = ann.clone();
    ann.login("Ann", crate::site::PASSWORD).await;
    let profile = ann.page("/profile").await;
    assert!(profile.contains("1 vote that you gave as a guest came along."), "{profile}");
    assert_eq!(ann.votes().await, 2);
    for thing in ["Umbrella", "Teapot"] {
        let row = format!("{thing} <small>chosen 1×</small>");
        assert!(profile.contains(&row), "{profile}");
    }
    let mut guest = before;
    assert_eq!(guest.votes().await, 0, "the guest's session was used up");
}

async fn a_login_form_that_is_sent_twice_brings_the_votes_along(site: Site) {
    let (ann, mut guest) = (site.user("Ann").await, site.visitor());
    guest.pair().await;
    guest.vote("1", "2", "2").await;
    let (mut one, mut other) = (guest.clone(), guest.clone());
    let password = crate::site::PASSWORD;
    let logins = tokio::join!(one.login("Ann", password), other.login("Ann", password));
    assert_eq!(logins.0.status(), StatusCode::SEE_OTHER);
    assert_eq!(logins.1.status(), StatusCode::SEE_OTHER);
    for mut ann in [ann, one, other] {
        assert_eq!(ann.votes().await, 1);
    }
}

/// Every vote that was accepted is the user's afterwards. There are more things than usual, so that
/// no tab is done before the login is.
async fn votes_that_a_guest_gives_during_the_login_come_along(site: Site) {
    site.run(
        "WITH RECURSIVE more(id) AS (SELECT 25 UNION ALL SELECT id + 1 FROM more WHERE id < 400) \
         INSERT INTO things (id, name, icon) SELECT id, 'Thing ' || id, '?' FROM more",
    )
    .await;
    let mut ann = site.user("Ann").await;
    let mut guest = site.visitor();
    guest.pair().await;
    let tabs: Vec<_> = (1..=4)
        .map(|tab: u32| {
            let mut guest = guest.clone();
            tokio::spawn(async move {
                let pairs = (tab..400)
                    .step_by(4)
                    .flat_map(|low| (low + 1..=400).map(move |high| [low, high]));
                for (accepted, pair) in (0..).zip(pairs) {
                    let [low, high] = pair.map(|thing| thing.to_string());
                    let answer = guest.vote(&low, &high, &low).await;
                    if answer.headers()["location"] != "/vote" {
                        return accepted;
                    }
                }
                panic!("the votes and the login did not meet");
            })
        })
        .collect();
    let login = guest.login("Ann", crate::site::PASSWORD).await;
    assert_eq!(login.status(), StatusCode::SEE_OTHER);
    let mut accepted: u64 = 0;
    for tab in tabs {
        accepted += tab.await.unwrap();
    }
    assert_eq!(ann.votes().await, accepted);
    let page = site.visitor().page("/leaderboard").await;
    assert!(page.contains(&format!("after {accepted} votes")), "no vote is nobody's: {page}");
}

async fn a_visitor_without_a_session_votes_for_nothing(site: Site) {
    let mut visitor = site.visitor();
    let answer = visitor.vote("1", "2", "1").await;
    assert_eq!(answer.headers()["location"], "/vote?message=no_session");
    assert!(visitor.page("/vote?message=no_session").await.contains("was not counted"));
    assert!(visitor.page("/leaderboard").await.contains("after 0 votes"));
}

async fn the_leaderboard_shows_what_won(site: Site) {
    for _ in 0..3 {
        let mut guest = site.visitor();
        guest.pair().await;
        guest.vote("2", "3", "2").await;
    }
    for _ in 0..60 {
        let page = site.visitor().page("/leaderboard").await;
        let first = page.split_once("<tbody>").unwrap().1.split("</tr>").next().unwrap().to_owned();
        if first.contains("Teapot") && first.contains("3 of 3") {
            assert_eq!(page.matches("<th scope=\"row\">").count(), 20);
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{}", site.visitor().page("/leaderboard").await);
}

async fn nonsense_is_not_counted(site: Site) {
    let mut guest = site.visitor();
    guest.pair().await;
    for (one, other, winner) in [("1", "1", "1"), ("1", "2", "3"), ("1", "999", "1")] {
        let answer = guest.vote(one, other, winner).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{one} {other} {winner}");
    }
    assert_eq!(guest.votes().await, 0);
}

/// The rows of both are slow, so that the two logins meet.
#[tokio::test]
async fn two_guests_log_in_as_one_user_at_the_same_time() {
    let Some(site) = Site::start(Backend::Postgres).await else { return };
    let mut ann = site.user("Ann").await;
    let (mut one, mut other) = (site.visitor(), site.visitor());
    for (guest, highs) in [(&mut one, [2, 3, 4, 5, 6, 7]), (&mut other, [7, 6, 5, 4, 3, 2])] {
        guest.pair().await;
        for high in highs {
            guest.vote("1", &high.to_string(), "1").await;
        }
        assert_eq!(guest.votes().await, 6);
    }
    site.run(
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END $$",
    )
    .await;
    site.run("CREATE TRIGGER slowly AFTER INSERT ON votes FOR EACH ROW EXECUTE FUNCTION slowly()")
        .await;
    let password = crate::site::PASSWORD;
    let logins = tokio::join!(one.login("Ann", password), other.login("Ann", password));
    assert_eq!(logins.0.status(), StatusCode::SEE_OTHER);
    assert_eq!(logins.1.status(), StatusCode::SEE_OTHER);
    assert_eq!(ann.votes().await, 6);
}

#[tokio::test]
async fn a_voter_who_has_seen_every_pair_is_told_so() {
    let site = Site::start(Backend::Sqlite).await.unwrap();
    let mut guest = site.visitor();
    guest.pair().await;
    for low in 1..=24_u32 {
        for high in low + 1..=24 {
            guest.vote(&low.to_string(), &high.to_string(), &low.to_string()).await;
        }
    }
    assert!(guest.page("/vote").await.contains("You have seen every pair"));
}
