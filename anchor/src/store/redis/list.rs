//! `list` and `history`.

use std::sync::Arc;

use super::create::{home_of, shards};
use super::database::{Arguments, Database};
use super::reply::Reply;
use super::row::{Fields, log_undecodable, name_of_subject};
use super::script;
use crate::error::StoreError;
use crate::payload::{DecodeError, SessionData};
use crate::store::{Cursor, EndedRecord, Listed, Page, Placement, Record};

/// Which sessions of a subject are listed.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Live,
    Ended,
}

impl Database {
    pub(super) async fn list<T: SessionData>(
        &self,
        subject: &T::Subject,
        page: Page,
    ) -> Result<Listed<Record<T>>, StoreError> {
        let entries = self.entries::<T>(Wanted::Live, subject, page).await?;
        Ok(listed::<T, _>(entries, page, |place, fields| fields.record(&fields.own()?, place.id)))
    }

    pub(super) async fn history<T: SessionData>(
        &self,
        subject: &T::Subject,
        page: Page,
    ) -> Result<Listed<EndedRecord<T>>, StoreError> {
        if self.keep.is_none() {
            return Ok(Listed::default());
        }
        let entries = self.entries::<T>(Wanted::Ended, subject, page).await?;
        Ok(listed::<T, _>(entries, page, |place, fields| {
            fields.ended(&fields.own()?, place.id, place.at)
        }))
    }

    /// Returns the entries of a page, and one more if there is one, latest first.
    async fn entries<T: SessionData>(
        &self,
        wanted: Wanted,
        subject: &T::Subject,
        page: Page,
    ) -> Result<Vec<(Cursor, Fields)>, StoreError> {
        let Some(subject) = name_of_subject::<T>(subject)? else { return Ok(Vec::new()) };
        let (away, mut entries) =
            self.entries_in(wanted, &subject, home_of(&subject), page).await?;
        for shard in away {
            entries.append(&mut self.entries_in(wanted, &subject, shard, page).await?.1);
        }
        entries.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
        Ok(entries)
    }

    /// Returns the entries of one shard, and the other shards that may have some.
    pub(super) async fn entries_in(
        &self,
        wanted: Wanted,
        subject: &str,
        shard: Placement,
        page: Page,
    ) -> Result<(Vec<Placement>, Vec<(Cursor, Fields)>), StoreError> {
        let after = page.cursor();
        let arguments = Arguments::default()
            .subject(Some(subject))
            .text(match wanted {
                Wanted::Live => "live",
                Wanted::Ended => "ended",
            })
            .text((page.limit() + 1).to_string())
            .text(after.map_or_else(String::new, |after| after.at.as_micros().to_string()))
            .text(after.map_or_else(String::new, |after| after.id.to_string()))
            .texts(&self.names);
        let mut reply = self.call(&script::LIST, shard, arguments).await?;
        Ok((shards(reply.list()?.rest()?)?, read_entries(reply.list()?, &self.names)?))
    }
}

fn read_entries(
    mut reply: Reply,
    names: &Arc<[String]>,
) -> Result<Vec<(Cursor, Fields)>, StoreError> {
    let mut entries = Vec::new();
    while !reply.is_empty() {
        let mut entry = reply.list()?;
        let (id, at) = (entry.read()?, entry.instant()?);
        entries.push((Cursor { at, id }, entry.fields(names)?));
    }
    Ok(entries)
}

/// Returns a page of these entries. An entry that the struct cannot decode is left out.
fn listed<T: SessionData, R>(
    mut entries: Vec<(Cursor, Fields)>,
    page: Page,
    read: impl Fn(Cursor, &Fields) -> Result<R, DecodeError>,
) -> Listed<R> {
    let limit = page.limit() as usize;
    let next = (entries.len() > limit).then(|| entries[limit - 1].0);
    entries.truncate(limit);
    let mut listed = Listed { next, ..Listed::default() };
    for (place, fields) in &entries {
        match read(*place, fields) {
            Ok(entry) => listed.entries.push(entry),
            Err(error) => {
                listed.undecodable += 1;
                log_undecodable(T::schema(), place.id, &error);
            }
        }
    }
    listed
}
