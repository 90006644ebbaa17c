//! Every kind of change, with the release before and the new one on one table: each logs in, loads
//! its own sessions and the other's, updates, touches and logs out, on connections that knew the
//! table before.
//!
//! The first words of a row are those of the table in `anchor::migrate`, and a test holds the two
//! to each other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anchor::migrate::{self, MigrateError, Migrations};
use anchor::prelude::*;
use anchor::store::{Change, EndReason, Load, Touch, Touched, Updated};

use crate::live::Live;
use crate::scene::{Scene, on_every_database};
use crate::sessions::{id, session, store, verify};

/// What a release makes of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    Live,
    /// It cannot read the row, and does not end the session.
    Refused,
    Ended,
}
use Reads::{Ended, Live as Lives, Refused};

/// What the migration needs, and what the releases may expect of it.
enum Deploy {
    /// One file; each release reads the other's sessions so.
    Before { old_reads_new: Reads, new_reads_old: Reads },
    /// Two files; between them, each release reads the other's sessions so.
    BeforeAndAfter { old_reads_new: Reads },
    /// One file. The release before cannot go on, or (`confused`) does what it should not; the
    /// session that there was is read so.
    Downtime { drops: bool, confused: bool, old_session: Reads },
}

const BOTH: Deploy = Deploy::Before { old_reads_new: Lives, new_reads_old: Lives };
const OLD_REFUSES: Deploy = Deploy::Before { old_reads_new: Refused, new_reads_old: Lives };
const TWO_FILES: Deploy = Deploy::BeforeAndAfter { old_reads_new: Lives };
const TWO_FILES_OLD_REFUSES: Deploy = Deploy::BeforeAndAfter { old_reads_new: Refused };
const DOWNTIME: Deploy = Deploy::Downtime { drops: false, confused: false, old_session: Lives };
const DOWNTIME_ENDS: Deploy =
    Deploy::Downtime { drops: false, confused: false, old_session: Ended };
const DOWNTIME_DROPS: Deploy =
    Deploy::Downtime { drops: true, confused: false, old_session: Lives };
const DOWNTIME_CONFUSES: Deploy =
    Deploy::Downtime { drops: false, confused: true, old_session: Lives };

/// A release's struct, with the data of its n-th session.
trait Release: SessionData {
    fn data(n: u64) -> Self;
}

macro_rules! release {
    ($name:ident($($on:tt)*) { $($fields:tt)* }) => {
        release!($name($($on)*) [#[session(subject)] user_id: i64 = |_| 7; $($fields)*]);
    };
    ($name:ident($($on:tt)*) [$($(#[$attribute:meta])* $field:ident: $ty:ty = $value:expr;)*]) => {
        #[derive(Clone, Debug, anchor::SessionData)]
        #[session(migrations = false, $($on)*)]
        pub(super) struct $name {
            $($(#[$attribute])* $field: $ty,)*
        }

        impl Release for $name {
            fn data(n: u64) -> Self {
                $(let $field: fn(u64) -> $ty = $value;)*
                Self { $($field: $field(n),)* }
            }
        }
    };
}

macro_rules! changes {
    ($($words:literal $test:ident $deploy:ident $(since $first:ident)?;
        old($($old_on:tt)*) $old:tt
        new($($new_on:tt)*) $new:tt
    )+) => {
        const ROWS: &[&str] = &[$($words),+];
        $(
            mod $test {
                #[allow(unused_imports)]
                use super::*;
                release!(Old($($old_on)*) $old);
                release!(New($($new_on)*) $new);
            }
            async fn $test(scene: Scene) {
                $(scene.migrate($first::schema()).await;)?
                live_together::<$test::Old, $test::New>(&scene, $deploy).await;
            }
        )+
        on_every_database! { $($test)+ }
    };
}

#[derive(Clone, Debug, anchor::Column)]
enum Two {
    Member,
    Admin,
}

#[derive(Clone, Debug, anchor::Column)]
enum Three {
    Member,
    Admin,
    Guest,
}

#[derive(Clone, Debug, anchor::Column)]
enum Renamed {
    Member,
    #[column(renamed_from = "admin")]
    Boss,
}

release!(Themed(table = "sessions") { theme: String = |_| "dark".to_owned(); });

changes! {
    "a new `Option`" a_new_option BOTH;
        old(table = "sessions") {}
        new(table = "sessions") { theme: Option<String> = |n| Some(format!("{n}")); }
    "a new `T` with `default`" a_new_field_with_a_default BOTH;
        old(table = "sessions") {}
        new(table = "sessions") {
            #[session(default = "'en'")]
            locale: String = |n| format!("{n}");
        }
    "a new `T` without `default`" a_new_field_that_ends_all DOWNTIME_ENDS;
        old(table = "sessions") {}
        new(table = "sessions") {
            #[session(on_change = "end_sessions")]
            locale: String = |n| format!("{n}");
        }
    "a removed field" a_field_less TWO_FILES_OLD_REFUSES;
        old(table = "sessions") { theme: String = |n| format!("{n}"); }
        new(table = "sessions") {}
    "a removed field" an_option_less TWO_FILES;
        old(table = "sessions") { theme: Option<String> = |n| Some(format!("{n}")); }
        new(table = "sessions") {}
    "a removed field" a_field_with_a_default_less TWO_FILES;
        old(table = "sessions") {
            #[session(default = "'member'")]
            role: Two = |_| Two::Admin;
        }
        new(table = "sessions") {}
    "a removed field" a_unique_field_less TWO_FILES_OLD_REFUSES;
        old(table = "sessions") {
            #[session(unique, default = "'none'")]
            code: String = |n| format!("{n}");
        }
        new(table = "sessions") {}
    "a removed field" a_reference_less TWO_FILES_OLD_REFUSES;
        old(table = "sessions") {
            #[session(references = "orgs(id)")]
            org: i64 = |_| 7;
        }
        new(table = "sessions") {}
    "a field that comes back" an_option_comes_back BOTH since Themed;
        old(table = "sessions") {}
        new(table = "sessions") { theme: Option<String> = |n| Some(format!("{n}")); }
    "a field that comes back" a_field_comes_back BOTH since Themed;
        old(table = "sessions") {}
        new(table = "sessions") {
            #[session(default = "'light'")]
            theme: String = |n| format!("{n}");
        }
    "a renamed column" another_name_for_a_column DOWNTIME;
        old(table = "sessions") { theme: String = |n| format!("{n}"); }
        new(table = "sessions") {
            #[session(renamed_from = "theme")]
            colour: String = |n| format!("{n}");
        }
    "a column with the name of a dropped one" the_name_of_a_column_that_is_dropped DOWNTIME_DROPS;
        old(table = "sessions") {
            theme: String = |n| format!("{n}");
            colour: i64 = |_| 1;
        }
        new(table = "sessions") {
            #[session(renamed_from = "colour")]
            theme: i64 = |_| 1;
        }
    "a renamed table" another_name_for_the_table DOWNTIME;
        old(table = "sessions") {}
        new(table = "logins", renamed_from = "sessions") {}
    "a wider type" a_wider_integer OLD_REFUSES;
        old(table = "sessions") { visits: i32 = |n| n as i32; }
        new(table = "sessions") { visits: i64 = |n| 5_000_000_000 + n as i64; }
    "a wider type" a_wider_float BOTH;
        old(table = "sessions") { score: f32 = |_| 0.5; }
        new(table = "sessions") { score: f64 = |_| 0.25; }
    "a wider type" a_longer_text BOTH;
        old(table = "sessions") {
            #[session(sql_type = "VARCHAR(80)")]
            theme: String = |n| format!("{n}");
        }
        new(table = "sessions") {
            #[session(sql_type = "VARCHAR(120)")]
            theme: String = |n| format!("{n:0100}");
        }
    "a wider type" an_enum_becomes_a_text OLD_REFUSES;
        old(table = "sessions") { role: Two = |_| Two::Admin; }
        new(table = "sessions") { role: String = |_| "root".to_owned(); }
    "a narrower type" a_narrower_integer BOTH;
        old(table = "sessions") { visits: i64 = |n| n as i64; }
        new(table = "sessions") {
            #[session(on_change = "end_sessions")]
            visits: i32 = |n| n as i32;
        }
    "a narrower type" an_unsigned_integer BOTH;
        old(table = "sessions") { visits: i32 = |n| n as i32; }
        new(table = "sessions") {
            #[session(default = "0")]
            visits: u16 = |n| n as u16;
        }
    "a narrower type" a_shorter_text BOTH;
        old(table = "sessions") {
            #[session(sql_type = "VARCHAR(120)")]
            theme: String = |n| format!("{n}");
        }
        new(table = "sessions") {
            #[session(sql_type = "VARCHAR(80)", on_change = "end_sessions")]
            theme: String = |n| format!("{n}");
        }
    "a narrower type" a_text_becomes_an_enum BOTH;
        old(table = "sessions") { role: String = |_| "member".to_owned(); }
        new(table = "sessions") {
            #[session(on_change = "end_sessions")]
            role: Two = |_| Two::Admin;
        }
    "a type of another family" an_integer_becomes_a_text DOWNTIME;
        old(table = "sessions") { code: i64 = |n| n as i64; }
        new(table = "sessions") { code: String = |n| format!("{n}"); }
    "a type of another family" a_text_becomes_an_integer DOWNTIME;
        old(table = "sessions") { code: String = |n| format!("{n}"); }
        new(table = "sessions") {
            #[session(on_change = "end_sessions")]
            code: i32 = |n| n as i32;
        }
    "a type of another family" a_type_with_nothing_in_common DOWNTIME_ENDS;
        old(table = "sessions") { code: String = |_| "12".to_owned(); }
        new(table = "sessions") {
            #[session(on_change = "end_sessions")]
            code: bool = |_| true;
        }
    "`T` to `Option<T>`" a_field_becomes_optional OLD_REFUSES;
        old(table = "sessions") { theme: String = |n| format!("{n}"); }
        new(table = "sessions") { theme: Option<String> = |_| None; }
    "`Option<T>` to `T`" an_option_becomes_a_field BOTH;
        old(table = "sessions") { theme: Option<String> = |n| Some(format!("{n}")); }
        new(table = "sessions") {
            #[session(default = "'dark'")]
            theme: String = |n| format!("{n}");
        }
    "a new variant" a_variant_more OLD_REFUSES;
        old(table = "sessions") { role: Two = |_| Two::Admin; }
        new(table = "sessions") { role: Three = |_| Three::Guest; }
    "a removed variant" a_variant_less BOTH;
        old(table = "sessions") { role: Three = |_| Three::Member; }
        new(table = "sessions") {
            #[session(on_change = "end_sessions")]
            role: Two = |_| Two::Admin;
        }
    "a renamed variant" another_name_for_a_variant DOWNTIME;
        old(table = "sessions") { role: Two = |_| Two::Admin; }
        new(table = "sessions") { role: Renamed = |_| Renamed::Boss; }
    "a changed `default`" another_default BOTH;
        old(table = "sessions") {
            #[session(default = "'dark'")]
            theme: String = |n| format!("{n}");
        }
        new(table = "sessions") {
            #[session(default = "'light'")]
            theme: String = |n| format!("{n}");
        }
    "a changed `default`" no_default BOTH;
        old(table = "sessions") {
            #[session(default = "'dark'")]
            theme: String = |n| format!("{n}");
        }
        new(table = "sessions") { theme: String = |n| format!("{n}"); }
    "`index`, `unique`, `references`" an_index BOTH;
        old(table = "sessions") { theme: String = |n| format!("{n}"); }
        new(table = "sessions") {
            #[session(index)]
            theme: String = |n| format!("{n}");
        }
    "`index`, `unique`, `references`" a_unique_index BOTH;
        old(table = "sessions") { theme: String = |n| format!("{n}"); }
        new(table = "sessions") {
            #[session(unique)]
            theme: String = |n| format!("{n}");
        }
    "`index`, `unique`, `references`" a_reference BOTH;
        old(table = "sessions") { org: i64 = |_| 7; }
        new(table = "sessions") {
            #[session(references = "orgs(id)")]
            org: i64 = |_| 7;
        }
    "`index`, `unique`, `references`" no_reference BOTH;
        old(table = "sessions") {
            #[session(references = "orgs(id)")]
            org: i64 = |_| 7;
        }
        new(table = "sessions") { org: i64 = |_| 7; }
    "`track`, `fingerprint`, `keep_ended` on" extras_on BOTH;
        old(table = "sessions") {}
        new(table = "sessions", track, fingerprint, keep_ended = "30d") {}
    "`track`, `fingerprint`, `keep_ended` off" extras_off TWO_FILES;
        old(table = "sessions", track, fingerprint, keep_ended = "30d") {}
        new(table = "sessions") {}
    "`cut_off` on" cut_off_on BOTH;
        old(table = "sessions") {}
        new(table = "sessions", cut_off) {}
    "`cut_off` off" cut_off_off DOWNTIME_DROPS;
        old(table = "sessions", cut_off) {}
        new(table = "sessions") {}
    "another subject, with `cut_off`" another_subject DOWNTIME_CONFUSES;
        old(table = "sessions", cut_off) {
            account_id: i64 = |_| 9;
        }
        new(table = "sessions", cut_off) [
            user_id: i64 = |_| 7;
            #[session(subject)]
            account_id: i64 = |_| 9;
        ]
}

/// The number of the next session.
fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

async fn log_in<T: Release>(live: &Live) -> Result<u64, String> {
    let n = next();
    let created = store(live).create(session(n.into(), T::data(n))).await;
    created.map(|_| n).map_err(|error| format!("{n}: a login: {error}"))
}

async fn reads<T: Release>(live: &Live, n: u64) -> Result<Reads, String> {
    match store::<T>(live).load(id(n.into())).await {
        Ok(Load::Live(_)) => Ok(Reads::Live),
        Ok(Load::Undecodable(_)) => Ok(Reads::Refused),
        Ok(Load::Ended | Load::Absent) => Ok(Reads::Ended),
        Err(error) => Err(format!("{n}: a request: {error}")),
    }
}

/// Updates, touches and ends a session that the release reads.
async fn use_and_log_out<T: Release>(live: &Live, n: u64) -> Result<(), String> {
    let store = store::<T>(live);
    let number = id(n.into());
    let Ok(Load::Live(loaded)) = store.load(number).await else {
        return Err(format!("{n} is not live"));
    };
    let change = Change {
        id: number,
        secret: loaded.secrets.current,
        version: loaded.record.version,
        from: Arc::clone(&loaded.record.data),
        to: Arc::new(T::data(next())),
        idle: T::IDLE,
    };
    match store.update(change).await {
        Ok(Updated::Written { .. }) => {}
        other => return Err(format!("{n}: an update: {other:?}")),
    }
    match store.touch(Touch::new(number, T::IDLE)).await {
        Ok(Touched::Written { .. }) => {}
        other => return Err(format!("{n}: a touch: {other:?}")),
    }
    if reads::<T>(live, n).await? != Reads::Live {
        return Err(format!("{n} is not live after its update"));
    }
    let ended = store.revoke(number, None, EndReason::Logout).await;
    ended.map_err(|error| format!("{n}: a logout: {error}"))?;
    match reads::<T>(live, n).await? {
        Reads::Ended => Ok(()),
        other => Err(format!("{n} is {other:?} after its logout")),
    }
}

/// The release logs in, works and logs out.
async fn goes_on<T: Release>(live: &Live) -> Result<(), String> {
    let n = log_in::<T>(live).await?;
    match reads::<T>(live, n).await? {
        Reads::Live => use_and_log_out::<T>(live, n).await,
        other => Err(format!("its own session is {other:?}")),
    }
}

/// The release reads a session of the other one as expected, works with it, and ends it for both.
async fn meets<T: Release, Other: Release>(
    live: &Live,
    other_live: &Live,
    expected: Reads,
) -> Result<(), String> {
    let n = log_in::<Other>(other_live).await?;
    let found = reads::<T>(live, n).await?;
    if found != expected {
        return Err(format!("the other's session is {found:?} and not {expected:?}"));
    }
    if expected == Reads::Live {
        use_and_log_out::<T>(live, n).await?;
        return match reads::<Other>(other_live, n).await? {
            Reads::Ended => Ok(()),
            other => Err(format!("the session is {other:?} where it began, after its logout")),
        };
    }
    // Not ended by it.
    use_and_log_out::<Other>(other_live, n).await
}

/// As many connections as the pool has prepare the release's statements.
async fn warm<T: Release>(live: &Live) {
    let work = (0..8).map(|_| {
        let live = live.clone();
        tokio::spawn(async move { goes_on::<T>(&live).await })
    });
    for work in work.collect::<Vec<_>>() {
        work.await.expect("no panic").expect("the release works");
    }
}

/// The next files for the way forward, with what each begins with; applied.
async fn apply<T: Release>(scene: &Scene, migrations: &Migrations) -> Vec<(String, String)> {
    let written = migrate::write(T::schema(), migrations).unwrap_or_else(|e| panic!("{e}"));
    migrate::check(T::schema(), migrations).expect("the struct and its migrations agree");
    let forward = written.iter().filter(|file| file.to_string_lossy().ends_with(".up.sql"));
    let files: Vec<_> = forward
        .map(|file| {
            let text = std::fs::read_to_string(file).expect("a file");
            let said =
                text.lines().find(|line| !line.starts_with("-- anchor:") && !line.is_empty());
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            (name, said.unwrap_or_default().to_owned())
        })
        .collect();
    let ran = scene.live.run(scene.scratch.path()).await;
    ran.unwrap_or_else(|error| panic!("{error}: {files:?}"));
    files
}

/// A process of a release, with connections of its own. SQLite has one process.
fn node(live: &Live) -> Live {
    match live {
        Live::Sqlite(_) => live.clone(),
        server => server.again(),
    }
}

async fn live_together<Old: Release, New: Release>(scene: &Scene, deploy: Deploy) {
    let live = &scene.live;
    let (old, new) = (&node(live), &node(live));
    live.execute("CREATE TABLE orgs (id BIGINT NOT NULL PRIMARY KEY)").await.expect("a table");
    live.execute("INSERT INTO orgs VALUES (7)").await.expect("a row");
    scene.migrate(Old::schema()).await;
    warm::<Old>(old).await;
    let before = log_in::<Old>(old).await.expect("a login");

    let plain = scene.without_downtime();
    match deploy {
        Deploy::Before { old_reads_new, new_reads_old } => {
            let files = apply::<New>(scene, &plain).await;
            assert!(files[0].1.starts_with("-- BEFORE THE DEPLOYMENT: "), "{files:?}");
            both_run::<Old, New>(old, new, before, old_reads_new, new_reads_old).await;
            // Nothing is left to do when the release before is gone.
            assert!(apply::<New>(scene, &plain.allow_drops()).await.is_empty());
        }
        Deploy::BeforeAndAfter { old_reads_new } => {
            let files = apply::<New>(scene, &plain).await;
            assert!(files[0].0.ends_with("_before_deploy.up.sql"), "{files:?}");
            assert!(files[0].1.starts_with("-- BEFORE THE DEPLOYMENT: "), "{files:?}");
            both_run::<Old, New>(old, new, before, old_reads_new, Lives).await;

            let files = apply::<New>(scene, &plain.allow_drops()).await;
            assert!(files[0].0.ends_with("_after_deploy.up.sql"), "{files:?}");
            assert!(files[0].1.starts_with("-- AFTER THE DEPLOYMENT: "), "{files:?}");
            warm::<New>(new).await;
            assert_eq!(reads::<New>(new, before).await, Ok(Lives));
            goes_on::<Old>(old).await.expect_err("the release before needs what is dropped");
        }
        Deploy::Downtime { drops, confused, old_session } => {
            let plain = if drops { plain.allow_drops() } else { plain };
            let refused = migrate::write(New::schema(), &plain).expect_err("it needs downtime");
            assert!(matches!(refused, MigrateError::Refused { .. }), "{refused}");
            assert!(refused.to_string().contains("ANCHOR_MIGRATE=downtime"), "{refused}");

            let files = apply::<New>(scene, &plain.allow_downtime()).await;
            assert!(files[0].1.starts_with("-- DOWNTIME: "), "{files:?}");
            warm::<New>(new).await;
            assert_eq!(reads::<New>(new, before).await, Ok(old_session));
            if !confused {
                goes_on::<Old>(old).await.expect_err("the release before cannot go on");
            }
        }
    }
    verify::<New>(new).await;

    scene.undo().await;
    verify::<Old>(old).await;
    warm::<Old>(old).await;
}

/// Both releases, on a table that both can live with.
async fn both_run<Old: Release, New: Release>(
    old: &Live,
    new: &Live,
    before: u64,
    old_reads_new: Reads,
    new_reads_old: Reads,
) {
    warm::<Old>(old).await;
    warm::<New>(new).await;
    verify::<New>(new).await;
    assert_eq!(reads::<New>(new, before).await, Ok(Lives), "the session that there was");
    assert_eq!(reads::<Old>(old, before).await, Ok(Lives), "the session that there was");
    meets::<Old, New>(old, new, old_reads_new).await.expect("the release before meets the new one");
    meets::<New, Old>(new, old, new_reads_old).await.expect("the new release meets the one before");
}

/// The documentation has a row for each of these, and no other.
#[test]
fn the_documented_table_has_these_rows() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../anchor/src/migrate/mod.rs");
    let source = std::fs::read_to_string(source).expect("the module");
    let (_, table) = source.split_once("//! | change | apply |").expect("the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("//! | "));
    let documented: BTreeSet<_> =
        rows.map(|line| line.split('|').nth(1).unwrap_or_default().trim()).collect();
    assert_eq!(documented, ROWS.iter().copied().collect());
}
