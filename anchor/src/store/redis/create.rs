//! `create`: one call. A login whose time has to be measured asks for the server's clock first, and
//! one that ends a session of another shard does so afterwards.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::database::{Arguments, Database, distinct, micros};
use super::insert::Inserts;
use super::keys::{shard_name, shard_of_name};
use super::list::Wanted;
use super::reply::{Reply, unexpected};
use super::row::{Changes, name_of_subject, new_fields};
use super::script;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::SessionId;
use crate::payload::{LimitExceeded, SessionData, SubjectLimit};
use crate::store::gather::Gather;
use crate::store::{Created, Cursor, EndReason, NewSession, Page, Placement, Record, Replaced};
use crate::timestamp::Timestamp;

/// How late a call may arrive whose caller has given it up: longer than TCP repeats what was lost.
const LATE_AT_MOST: Duration = Duration::from_secs(3_600);

/// How often a login that seems to have begun before a cut-off asks for the server's time again.
const MORE_SAMPLES: usize = 3;

const MINUTE: Duration = Duration::from_secs(60);

/// What a login inserts, and what it ends.
pub(super) struct Login {
    pub(super) id: SessionId,
    pub(super) idle: Duration,
    pub(super) absolute: Duration,
    limit: Option<SubjectLimit>,
    /// How keys name the subject.
    pub(super) subject: Option<String>,
    /// The cut-off of a subject of another shard; empty if there are no cut-offs.
    cut_off: String,
    pub(super) began: Began,
    /// The session that it replaces, if it is of the same shard.
    replaced_here: Option<Replaced>,
    /// What distinguishes this call from others.
    pub(super) distinct: String,
    /// What anchor itself keeps of the session, after its times.
    pub(super) entries: String,
    pub(super) fields: Changes,
}

/// When a login began.
pub(super) enum Began {
    Now,
    /// By this node's clock.
    Here(Instant),
    /// By the server's clock. `may_ask` says whether another sample may show that it began later:
    /// each is too early by the time that its answer took.
    At {
        instant: Timestamp,
        may_ask: bool,
    },
}

impl Database {
    pub(super) async fn create<T: SessionData>(
        &self,
        inserts: &Arc<Gather<Inserts>>,
        new: NewSession<T>,
    ) -> Result<Created<T>, StoreError> {
        new.check()?;
        let mut login = self.login(&new).await?;
        if new.replaces.is_none() && self.is_plain(&login) {
            let mut reply = inserts.get(login).await?;
            let answer = reply.word()?;
            return created(&new, &answer, reply);
        }
        let mut elsewhere = Vec::new();
        let (mut answer, mut reply) = self.insert_in_time(&new, &mut login, "unknown").await?;
        if answer == "elsewhere"
            && let Some(subject) = &login.subject
        {
            // An update has given the subject sessions of other shards.
            elsewhere = self.live_in(subject, shards(reply.rest()?)?, new.replaces).await?;
            let known: Vec<String> = elsewhere.iter().map(of_other_shard).collect();
            let known = known.join(" ");
            (answer, reply) = self.insert_in_time(&new, &mut login, &known).await?;
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

    async fn login<T: SessionData>(&self, new: &NewSession<T>) -> Result<Login, StoreError> {
        let (id, idle, absolute, limit) = (new.id, new.idle, new.absolute, new.limit);
        let shard = id.placement();
        let subject = new.data.subject().map(name_of_subject::<T>).transpose()?.flatten();
        let (entries, fields) = new_fields(new, subject.as_deref())?;
        if let (Some(_), Some(home)) = (limit, subject.as_deref().map(home_of))
            && home != shard
        {
            return Err(misplaced(home));
        }
        let cut_off = match &subject {
            Some(subject) => self.cut_off_for(subject, shard, absolute).await?,
            None => "0".to_owned(),
        };
        let cut_off = if T::schema().options.cut_off { cut_off } else { String::new() };
        let replaced_here = new.replaces.filter(|replaced| replaced.id.placement() == shard);
        let began = self.began(new).await?;
        Ok(Login {
            id,
            idle,
            absolute,
            limit,
            subject,
            cut_off,
            began,
            replaced_here,
            distinct: distinct(),
            entries,
            fields,
        })
    }

    /// Returns whether plain commands can insert a session that replaces none. Each 32nd is
    /// inserted by the script, which also tidies the index.
    fn is_plain(&self, login: &Login) -> bool {
        let does_nothing_else =
            login.limit.is_none() && login.cut_off.is_empty() && self.keep.is_none();
        does_nothing_else && self.connection.takes_plain_commands() && !login.tidies()
    }

    /// Inserts the session. If it seems to have begun before a cut-off, asks for the time again.
    async fn insert_in_time<T: SessionData>(
        &self,
        new: &NewSession<T>,
        login: &mut Login,
        elsewhere: &str,
    ) -> Result<(String, Reply), StoreError> {
        for left in (0..MORE_SAMPLES).rev() {
            let mut reply = self.insert(new, login, elsewhere).await?;
            let answer = reply.word()?;
            if answer != "early" {
                return Ok((answer, reply));
            }
            if let (Began::At { instant, .. }, Began::At { instant: other, .. }) =
                (&login.began, self.began(new).await?)
            {
                let instant = other.max(*instant);
                login.began = Began::At { instant, may_ask: left > 0 };
            }
        }
        let mut reply = self.insert(new, login, elsewhere).await?;
        Ok((reply.word()?, reply))
    }

    async fn insert<T: SessionData>(
        &self,
        new: &NewSession<T>,
        login: &Login,
        elsewhere: &str,
    ) -> Result<Reply, StoreError> {
        if new.replaces.is_none() && new.limit.is_none() {
            return self.insert_by_script(login, elsewhere).await;
        }
        let arguments = login.arguments(elsewhere);
        let inserted = self.call_end(&script::CREATE, login.id.placement(), arguments).await;
        self.or_undo(new, inserted).await
    }

    pub(super) async fn insert_by_script(
        &self,
        login: &Login,
        elsewhere: &str,
    ) -> Result<Reply, StoreError> {
        self.call(&script::CREATE, login.id.placement(), login.arguments(elsewhere)).await
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
            let found = self.entries_in(Wanted::Live, subject, shard, Page::first(Page::MOST));
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
            .span(LATE_AT_MOST);
        let _ = self.call(&script::UNDO, new.id.placement(), abandoned).await;
        Err(error)
    }

    async fn began<T: SessionData>(&self, new: &NewSession<T>) -> Result<Began, StoreError> {
        let Some(began) = new.began else { return Ok(Began::Now) };
        if !T::schema().options.cut_off {
            return Ok(Began::Here(began));
        }
        // Not later than it was: the answer has been under way for a part of the time.
        let now = self.now(new.id.placement()).await?;
        let instant = now.saturating_sub(began.elapsed());
        Ok(Began::At { instant, may_ask: true })
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
            // The session is inserted a little later.
            .span([lifetime, self.keep.unwrap_or_default(), MINUTE].iter().sum());
        self.call(&script::AWAY, home, arguments).await?.word()
    }
}

impl Login {
    /// Returns whether the script tidies the index when it inserts this session.
    fn tidies(&self) -> bool {
        self.id.as_uuid().as_bytes()[15] & 0x1f == 0
    }

    /// Returns the arguments of the script.
    fn arguments(&self, elsewhere: &str) -> Arguments {
        let (max, overflow) = match self.limit {
            Some(limit) => (limit.max.get(), limit.overflow),
            None => (0, LimitExceeded::EndOldest),
        };
        let replaced = self.replaced_here.as_ref();
        Arguments::of(self.id)
            .span(self.idle)
            .span(self.absolute)
            .text(match self.began {
                Began::Now => String::new(),
                Began::Here(began) => format!("-{}", micros(began.elapsed())),
                Began::At { instant, may_ask } => {
                    format!("{}{}", instant.as_micros(), if may_ask { "?" } else { "" })
                }
            })
            .subject(self.subject.as_deref())
            .text(self.cut_off.as_str())
            .text(max.to_string())
            .text(if overflow == LimitExceeded::Refuse { "refuse" } else { "end_oldest" })
            .text(replaced.map_or_else(String::new, |replaced| replaced.id.to_string()))
            .maybe_hash(replaced.map(|replaced| replaced.proof.as_bytes()))
            .text(elsewhere)
            .text(self.distinct.as_str())
            .text(self.entries.as_str())
            .fields(&self.fields)
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
