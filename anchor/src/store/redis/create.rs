//! `create`: one call. A login whose time has to be measured asks for the server's clock first, and
//! one that replaces a session of another shard ends that session afterwards.

use std::sync::Arc;
use std::time::Duration;

use super::database::{Arguments, Database, micros};
use super::keys::{shard_name, shard_of_name};
use super::reply::{Reply, unexpected};
use super::row::{name_of_subject, new_fields};
use super::script;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::SessionId;
use crate::payload::{LimitExceeded, SessionData};
use crate::store::{Created, EndReason, NewSession, Placement, Record, Replaced};

impl Database {
    pub(super) async fn create<T: SessionData>(
        &self,
        new: NewSession<T>,
    ) -> Result<Created<T>, StoreError> {
        new.check()?;
        let shard = new.id.placement();
        let fields = new_fields(&new)?;
        let subject = new.data.subject().map(name_of_subject::<T>).transpose()?.flatten();
        let cut_off = match &subject {
            Some(subject) => self.cut_off_for(subject, shard, new.absolute).await?,
            None => "0".to_owned(),
        };
        let here = new.replaces.filter(|replaced| replaced.id.placement() == shard);
        let (max, overflow) = match new.limit {
            Some(limit) => (limit.max.get(), limit.overflow),
            None => (0, LimitExceeded::EndOldest),
        };
        let arguments = Arguments::of(new.id)
            .span(new.idle)
            .span(new.absolute)
            .text(self.began(&new).await?)
            .text(subject.unwrap_or_default())
            .text(cut_off)
            .text(max.to_string())
            .text(if overflow == LimitExceeded::Refuse { "refuse" } else { "end_oldest" })
            .text(here.map_or_else(String::new, |here| here.id.to_string()))
            .maybe_hash(here.as_ref().map(|here| here.proof.as_bytes()))
            .hash(new.secret.as_bytes())
            .changes(fields);
        let reply = self.call(&script::CREATE, shard, arguments).await?;
        let created = created(&new, reply)?;
        if let (Created::Session { .. }, None, Some(replaced)) = (&created, here, new.replaces) {
            self.end_elsewhere(new.id, replaced).await?;
        }
        Ok(created)
    }

    /// Returns when the login began, as the script takes it.
    async fn began<T: SessionData>(&self, new: &NewSession<T>) -> Result<String, StoreError> {
        let Some(began) = new.began else { return Ok(String::new()) };
        if !T::schema().options.cut_off {
            return Ok(format!("-{}", micros(began.elapsed())));
        }
        // Not later than it was: the answer has been under way for a part of the time.
        let now = self.now().await?;
        Ok(now.saturating_sub(began.elapsed()).as_micros().to_string())
    }

    /// Returns the cut-off of a subject for a shard that is not the subject's own, which from then
    /// on knows that the subject may have sessions there.
    pub(super) async fn cut_off_for(
        &self,
        subject: &str,
        shard: Placement,
        lifetime: Duration,
    ) -> Result<String, StoreError> {
        let home = home_of(subject);
        if home == shard {
            return Ok("0".to_owned());
        }
        let arguments = Arguments::default()
            .text(subject)
            .text(shard_name(shard))
            .span(lifetime.saturating_add(self.keep.unwrap_or_default()));
        self.call(&script::AWAY, home, arguments).await?.word()
    }

    /// Ends the session that a login replaces. If that fails, the login has failed.
    async fn end_elsewhere(&self, new: SessionId, replaced: Replaced) -> Result<(), StoreError> {
        let reason = EndReason::Replaced;
        let Err(error) = self.end(replaced.id, Some(replaced.proof), None, reason).await else {
            return Ok(());
        };
        // Nobody has its token. If this fails, too, it lasts until it was unused for too long.
        let _ = self.end(new, None, None, EndReason::Abandoned).await;
        Err(error)
    }
}

/// Returns the shard of a subject.
pub(super) fn home_of(subject: &str) -> Placement {
    Placement::of(subject.as_bytes())
}

/// Reads the names of shards.
pub(super) fn shards(names: Vec<String>) -> Result<Vec<Placement>, StoreError> {
    names.iter().map(|name| shard_of_name(name).ok_or_else(unexpected)).collect()
}

fn created<T: SessionData>(
    new: &NewSession<T>,
    mut reply: Reply,
) -> Result<Created<T>, StoreError> {
    match reply.word()?.as_str() {
        "created" => {}
        "full" => return Ok(Created::SubjectFull),
        "taken" => {
            let taken = format!("the session {} already exists", new.id);
            return Err(StoreError::new(StoreErrorKind::Constraint, taken));
        }
        _ => return Err(unexpected()),
    }
    let created_at = reply.instant()?;
    let record = Record {
        id: new.id,
        created_at,
        authenticated_at: reply.instant()?,
        last_seen_at: created_at,
        expires_at: reply.instant()?,
        deadline: reply.instant()?,
        version: 1,
        remembered: new.remembered,
        client: new.client.clone().filter(|_| T::schema().options.track),
        data: Arc::clone(&new.data),
    };
    Ok(Created::Session { record, ended: reply.rest()? })
}
