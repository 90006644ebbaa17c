//! `create`: one call. A login whose time has to be measured asks for the server's clock first, and
//! one that ends a session of another shard does so afterwards.

use std::sync::Arc;
use std::time::Duration;

use super::database::{Arguments, Database, distinct, micros};
use super::keys::{shard_name, shard_of_name};
use super::reply::{Reply, unexpected};
use super::row::{Changes, name_of_subject, new_fields};
use super::script;
use crate::error::{StoreError, StoreErrorKind};
use crate::payload::{LimitExceeded, SessionData};
use crate::store::{Created, Cursor, EndReason, NewSession, Page, Placement, Record, Replaced};

/// What a login passes to the script, besides what the session itself is.
struct Login {
    /// How keys name the subject.
    subject: Option<String>,
    /// The cut-off of a subject of another shard.
    cut_off: String,
    /// When it began.
    began: String,
    /// The session that it replaces, if it is of the same shard.
    replaced_here: Option<Replaced>,
    /// What distinguishes this call from others.
    distinct: String,
    fields: Changes,
}

impl Database {
    pub(super) async fn create<T: SessionData>(
        &self,
        new: NewSession<T>,
    ) -> Result<Created<T>, StoreError> {
        new.check()?;
        let (shard, fields) = (new.id.placement(), new_fields(&new)?);
        let subject = new.data.subject().map(name_of_subject::<T>).transpose()?.flatten();
        if let (Some(_), Some(home)) = (new.limit, subject.as_deref().map(home_of))
            && home != shard
        {
            return Err(misplaced(home));
        }
        let cut_off = match &subject {
            Some(subject) => self.cut_off_for(subject, shard, new.absolute).await?,
            None => "0".to_owned(),
        };
        let replaced_here = new.replaces.filter(|replaced| replaced.id.placement() == shard);
        let began = self.began(&new).await?;
        let distinct = distinct()?;
        let login = Login { subject, cut_off, began, replaced_here, distinct, fields };
        let mut elsewhere = Vec::new();
        let mut reply = self.insert(&new, &login, "unknown".to_owned()).await?;
        let mut answer = reply.word()?;
        if answer == "elsewhere"
            && let Some(subject) = &login.subject
        {
            // An update has given the subject sessions of other shards.
            elsewhere = self.live_in(subject, shards(reply.rest()?)?, new.replaces).await?;
            let known: Vec<String> = elsewhere.iter().map(of_other_shard).collect();
            reply = self.insert(&new, &login, known.join(" ")).await?;
            answer = reply.word()?;
        }
        let created = created(&new, &answer, reply)?;
        if let Created::Session { ended, .. } = &created {
            let over = elsewhere.iter().map(|place| place.id).filter(|id| ended.contains(id));
            for id in over.collect::<Vec<_>>() {
                let ended = self.end(id, None, None, EndReason::LimitExceeded).await;
                self.or_undo(&new, ended).await?;
            }
            if let (Some(Replaced { id, proof }), None) = (new.replaces, login.replaced_here) {
                let ended = self.end(id, Some(proof), None, EndReason::Replaced).await;
                self.or_undo(&new, ended).await?;
            }
        }
        Ok(created)
    }

    async fn insert<T: SessionData>(
        &self,
        new: &NewSession<T>,
        login: &Login,
        elsewhere: String,
    ) -> Result<Reply, StoreError> {
        let (max, overflow) = match new.limit {
            Some(limit) => (limit.max.get(), limit.overflow),
            None => (0, LimitExceeded::EndOldest),
        };
        let replaced = login.replaced_here.as_ref();
        let arguments = Arguments::of(new.id)
            .span(new.idle)
            .span(new.absolute)
            .text(login.began.as_str())
            .text(login.subject.as_deref().unwrap_or_default())
            .text(login.cut_off.as_str())
            .text(max.to_string())
            .text(if overflow == LimitExceeded::Refuse { "refuse" } else { "end_oldest" })
            .text(replaced.map_or_else(String::new, |replaced| replaced.id.to_string()))
            .maybe_hash(replaced.map(|replaced| replaced.proof.as_bytes()))
            .hash(new.secret.as_bytes())
            .text(elsewhere)
            .text(login.distinct.as_str())
            .changes(&login.fields);
        if new.replaces.is_none() && new.limit.is_none() {
            return self.call(&script::CREATE, new.id.placement(), arguments).await;
        }
        let inserted = self.call_end(&script::CREATE, new.id.placement(), arguments).await;
        self.or_undo(new, inserted).await
    }

    /// Returns a subject's live sessions in these shards, except the one that a login replaces.
    async fn live_in(
        &self,
        subject: &str,
        shards: Vec<Placement>,
        replaces: Option<Replaced>,
    ) -> Result<Vec<Cursor>, StoreError> {
        let mut live = Vec::new();
        for shard in shards {
            let found = self.entries_in(&script::LIST, subject, shard, Page::first(Page::MOST));
            live.extend(found.await?.1.into_iter().map(|(place, _)| place));
        }
        live.retain(|place| replaces.is_none_or(|replaced| replaced.id != place.id));
        Ok(live)
    }

    /// Ends the new session if another one could not be ended: the login has failed then.
    async fn or_undo<T, R>(
        &self,
        new: &NewSession<T>,
        ended: Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let error = match ended {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        // Nobody has its token. If this fails, too, it lasts until it was unused for too long.
        let abandoned = Arguments::of(new.id)
            .text(EndReason::Abandoned.as_str())
            .hash(new.lasting.as_bytes())
            .text("");
        let _ = self.call(&script::END, new.id.placement(), abandoned).await;
        Err(error)
    }

    /// Returns when the login began, as the script takes it.
    async fn began<T: SessionData>(&self, new: &NewSession<T>) -> Result<String, StoreError> {
        let Some(began) = new.began else { return Ok(String::new()) };
        if !T::schema().options.cut_off {
            return Ok(format!("-{}", micros(began.elapsed())));
        }
        // Not later than it was: the answer has been under way for a part of the time.
        let now = self.now(new.id.placement()).await?;
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
    answer: &str,
    mut reply: Reply,
) -> Result<Created<T>, StoreError> {
    match answer {
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

/// Writes a session of another shard for the script.
fn of_other_shard(place: &Cursor) -> String {
    format!("{}:{}", place.at.as_micros(), place.id)
}

fn misplaced(home: Placement) -> StoreError {
    let misplaced = format!(
        "the subject's limit is kept in the shard {}, and the session's id is of another one: \
         write `id.placed(placement)` with what `SessionStore::placement` returns",
        shard_name(home)
    );
    StoreError::new(StoreErrorKind::Constraint, misplaced)
}
