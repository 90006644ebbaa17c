//! `load`, `list` and `history`: the verbs that only read.

use super::create::{home_of, shards};
use super::database::{Arguments, Database};
use super::reply::{Reply, unexpected};
use super::row::{Fields, ends_on_change, log_undecodable, name_of_subject};
use super::script;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{DecodeError, SessionData};
use crate::store::{Cursor, EndedRecord, Listed, Load, Page, Placement, Record};

impl Database {
    pub(super) async fn load<T: SessionData>(&self, id: SessionId) -> Result<Load<T>, StoreError> {
        let mut reply = self.call(&script::LOAD, id.placement(), Arguments::of(id)).await?;
        match reply.word()?.as_str() {
            "live" => {}
            "ended" => return Ok(Load::Ended),
            "absent" => return Ok(Load::Absent),
            _ => return Err(unexpected()),
        }
        let now = reply.instant()?;
        Ok(match reply.fields()?.loaded(id, now) {
            Ok(loaded) => Load::Live(loaded),
            Err(error) if ends_on_change(T::schema(), &error) => Load::Ended,
            Err(error) => Load::Undecodable(error),
        })
    }

    pub(super) async fn list<T: SessionData>(
        &self,
        subject: &T::Subject,
        page: Page,
    ) -> Result<Listed<Record<T>>, StoreError> {
        let entries = self.entries::<T>(&script::LIST, subject, page).await?;
        Ok(listed::<T, _>(entries, page, |place, fields| fields.record(place.id)))
    }

    pub(super) async fn history<T: SessionData>(
        &self,
        subject: &T::Subject,
        page: Page,
    ) -> Result<Listed<EndedRecord<T>>, StoreError> {
        if self.keep.is_none() {
            return Ok(Listed::default());
        }
        let entries = self.entries::<T>(&script::HISTORY, subject, page).await?;
        Ok(listed::<T, _>(entries, page, |place, fields| fields.ended(place.id, place.at)))
    }

    /// Returns the entries of a page, and one more if there is one, latest first.
    async fn entries<T: SessionData>(
        &self,
        script: &redis::Script,
        subject: &T::Subject,
        page: Page,
    ) -> Result<Vec<(Cursor, Fields)>, StoreError> {
        let Some(subject) = name_of_subject::<T>(subject)? else { return Ok(Vec::new()) };
        let (away, mut entries) =
            self.entries_in(script, &subject, home_of(&subject), page).await?;
        for shard in away {
            entries.append(&mut self.entries_in(script, &subject, shard, page).await?.1);
        }
        entries.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
        Ok(entries)
    }

    /// Returns the entries of one shard, and the other shards that may have some.
    pub(super) async fn entries_in(
        &self,
        script: &redis::Script,
        subject: &str,
        shard: Placement,
        page: Page,
    ) -> Result<(Vec<Placement>, Vec<(Cursor, Fields)>), StoreError> {
        let after = page.cursor();
        let arguments = Arguments::default()
            .text(subject)
            .text((page.limit() + 1).to_string())
            .text(after.map_or_else(String::new, |after| after.at.as_micros().to_string()))
            .text(after.map_or_else(String::new, |after| after.id.to_string()));
        let mut reply = self.call(script, shard, arguments).await?;
        Ok((shards(reply.list()?.rest()?)?, read_entries(reply.list()?)?))
    }
}

fn read_entries(mut reply: Reply) -> Result<Vec<(Cursor, Fields)>, StoreError> {
    let mut entries = Vec::new();
    while !reply.is_empty() {
        let mut entry = reply.list()?;
        let (id, at) = (entry.read()?, entry.instant()?);
        entries.push((Cursor { at, id }, entry.fields()?));
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
    let readable = |(place, fields): &(Cursor, Fields)| match read(*place, fields) {
        Ok(entry) => Some(entry),
        Err(error) => {
            log_undecodable(T::schema(), place.id, &error);
            None
        }
    };
    Listed { entries: entries.iter().filter_map(readable).collect(), next }
}
