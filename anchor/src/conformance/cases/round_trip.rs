//! A payload comes back as it was written, or the write is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fixtures::*;
use crate::error::{StoreError, StoreErrorKind};
use crate::store::{Page, SessionStore, Updated};
use crate::timestamp::Timestamp;

/// Writes the payload twice, with a create and with an update, and reads it back each time.
///
/// # Errors
///
/// Returns the store's refusal, after which nothing may have been written.
async fn write_and_read<S: SessionStore<Payload>>(
    store: &S,
    data: Payload,
) -> Result<(), StoreError> {
    let created = new_session(data.clone());
    match store.create(created.clone()).await {
        Ok(_) => {
            assert_eq!(*live(store, created.id).await.record.data, data, "after create");
            let listed = store.list(&data.user_id, Page::default()).await.expect("list answers");
            assert_eq!(listed.iter().map(|record| &*record.data).collect::<Vec<_>>(), [&data]);
        }
        Err(_) => assert!(!is_live(store, created.id).await, "refused, but created"),
    }

    let updated = session_of(data.user_id);
    create(store, &updated).await;
    let before = live(store, updated.id).await;
    let outcome = store.update(change(&before, |to| *to = data.clone())).await;
    let after = live(store, updated.id).await;
    match outcome {
        Ok(updated) => {
            assert!(matches!(updated, Updated::Written { .. }), "{updated:?}");
            assert_eq!(*after.record.data, data, "after update");
            Ok(())
        }
        Err(refusal) => {
            assert_unchanged(&before, &after);
            Err(refusal)
        }
    }
}

async fn comes_back_equal<S: SessionStore<Payload>>(store: &S, data: Payload) {
    write_and_read(store, data).await.expect("the store holds this payload");
}

async fn comes_back_equal_or_is_refused<S: SessionStore<Payload>>(store: &S, data: Payload) {
    if let Err(refusal) = write_and_read(store, data).await {
        assert_eq!(refusal.kind(), StoreErrorKind::Encode, "{refusal}");
    }
}

fn ferris() -> Payload {
    payload_of(new_subject())
}

fn tags(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

pub async fn ordinary_payloads_come_back_equal(store: Store) {
    comes_back_equal(&store, ferris()).await;
    comes_back_equal(&store, Payload { note: None, active: false, ..ferris() }).await;
}

pub async fn unicode_comes_back_equal(store: Store) {
    for text in [
        "naïve café",
        // The same letter composed and decomposed: a store must not normalise.
        "\u{e9} e\u{301}",
        "日本語 русский עברית",
        "🦀👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "\u{202e}right to left",
        "\u{feff}\u{fffd}\u{10ffff}",
        "quotes ' \" ` and \\ and % and ; -- and ?1 $1",
        "line\r\nbreaks\tand\u{1}controls\u{7f}",
    ] {
        let data = Payload {
            title: text.into(),
            note: Some(text.into()),
            tags: tags(text, text),
            avatar: text.into(),
            ..ferris()
        };
        comes_back_equal(&store, data).await;
    }
}

pub async fn empty_values_come_back_equal_and_distinct_from_none(store: Store) {
    let empty = Payload {
        title: String::new(),
        note: Some(String::new()),
        avatar: Vec::new(),
        tags: BTreeMap::new(),
        ..ferris()
    };
    comes_back_equal(&store, Payload { note: None, ..empty.clone() }).await;
    comes_back_equal(&store, Payload { user_id: new_subject(), ..empty }).await;
    for text in [" ", "trailing  ", "  leading", "\n", "NULL", "null", "0"] {
        let data = Payload { title: text.into(), note: Some(text.into()), ..ferris() };
        comes_back_equal(&store, data).await;
    }
}

pub async fn sixty_four_kilobytes_come_back_equal(store: Store) {
    const SIZE: usize = 64 * 1024;
    let text: String = ('a'..='z').cycle().take(SIZE).collect();
    let data = Payload {
        title: text.clone(),
        note: Some("é".repeat(SIZE / 2)),
        avatar: (0..=u8::MAX).cycle().take(SIZE).collect(),
        tags: tags("text", &text),
        ..ferris()
    };
    comes_back_equal(&store, data).await;
}

pub async fn extreme_numbers_come_back_equal(store: Store) {
    for (level, visits, ratio) in [
        (0, 0, 0.0),
        (i16::MIN, i64::MIN, f64::MIN),
        (i16::MAX, i64::MAX, f64::MAX),
        (-1, -1, f64::MIN_POSITIVE),
        (1, (1 << 53) + 1, 0.1 + 0.2),
        (1, 1, -1.0 / 3.0),
    ] {
        comes_back_equal(&store, Payload { level, visits, ratio, ..ferris() }).await;
    }
}

pub async fn microseconds_come_back_equal(store: Store) {
    for micros in [
        0,
        1,
        999_999,
        1_700_000_000_123_456,
        // 2000-02-29, and the last microsecond in 2038 of a signed 32-bit count of seconds.
        951_782_400_000_001,
        2_147_483_647_999_999,
        // Before 1970, and the last microsecond of the year 9999.
        -1,
        -1_000_000_000_000_001,
        253_402_300_799_999_999,
    ] {
        let data = Payload { born_at: Timestamp::from_micros(micros), ..ferris() };
        comes_back_equal(&store, data).await;
    }
}

pub async fn what_a_table_may_not_hold_comes_back_equal_or_is_refused(store: Store) {
    for data in [
        Payload { title: "nul\0byte".into(), ..ferris() },
        Payload { note: Some("\0".into()), ..ferris() },
        Payload { tags: tags("nul\0key", "nul\0value"), ..ferris() },
        Payload { ratio: f64::INFINITY, ..ferris() },
        Payload { ratio: f64::NEG_INFINITY, ..ferris() },
        Payload { born_at: Timestamp::from_micros(i64::MIN), ..ferris() },
        Payload { born_at: Timestamp::from_micros(i64::MAX), ..ferris() },
        // The first microsecond of the year 10000, and a day in the year 1.
        Payload { born_at: Timestamp::from_micros(253_402_300_800_000_000), ..ferris() },
        Payload { born_at: Timestamp::from_micros(-62_135_500_000_000_000), ..ferris() },
    ] {
        comes_back_equal_or_is_refused(&store, data).await;
    }
}

pub async fn a_payload_read_is_a_copy(store: Store) {
    let (new, mut loaded) = created(&store).await;
    Arc::make_mut(&mut Arc::make_mut(&mut loaded.record).data).title = "mine".into();
    let mut listed = store.list(&new.data.user_id, Page::default()).await.expect("list answers");
    for record in &mut listed.entries {
        Arc::make_mut(&mut record.data).title = "mine".into();
    }
    assert_eq!(live(&store, new.id).await.record.data, new.data);
}

pub async fn a_payload_given_is_a_copy(store: Store) {
    let mut new = session();
    let before = Payload::clone(&new.data);
    let mut record = create(&store, &new).await;
    Arc::make_mut(&mut new.data).title = "mine".into();
    Arc::make_mut(&mut record.data).title = "mine".into();
    assert_eq!(*live(&store, new.id).await.record.data, before);
}
