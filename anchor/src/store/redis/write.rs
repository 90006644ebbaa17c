//! The verbs that write to a live session: `update`, `touch`, `rotate`, `reauthenticate`, and the
//! uses that are recorded later.

use std::time::Duration;

use super::create::home_of;
use super::database::{AT_ONCE, Arguments, Database, distinct};
use super::reply::{Reply, unexpected};
use super::row::{Changes, differing_fields, name_of_subject};
use super::script;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::store::{Change, Reauthenticated, Rotated, Rotation, Touch, Touched, Updated, Use};

/// What a script answers that writes if the session is live.
enum Outcome {
    /// What follows is in the reply.
    Written(Reply),
    Conflict,
    Gone,
}

fn outcome(mut reply: Reply) -> Result<Outcome, StoreError> {
    match reply.word()?.as_str() {
        "written" => Ok(Outcome::Written(reply)),
        "conflict" => Ok(Outcome::Conflict),
        "gone" => Ok(Outcome::Gone),
        _ => Err(unexpected()),
    }
}

impl Database {
    pub(super) async fn update<T: SessionData>(
        &self,
        change: Change<T>,
    ) -> Result<Updated, StoreError> {
        let changes = differing_fields(&*change.from, &*change.to)?;
        let name = |data: &T| data.subject().map(name_of_subject::<T>).transpose();
        let (before, subject) = (name(&change.from)?.flatten(), name(&change.to)?.flatten());
        let shard = change.id.placement();
        let cut_off = match &subject {
            Some(subject) if before.as_ref() != Some(subject) && home_of(subject) != shard => {
                self.cut_off_for(subject, shard, self.longest_life(change.id).await?).await?
            }
            _ => "0".to_owned(),
        };
        let arguments = Arguments::of(change.id)
            .hash(change.secret.as_bytes())
            .text(change.version.to_string())
            .span(change.idle)
            .subject(subject.as_deref())
            .text(cut_off)
            .text(distinct())
            .changes(&changes);
        Ok(match outcome(self.call(&script::UPDATE, shard, arguments).await?)? {
            Outcome::Written(mut reply) => Updated::Written { version: reply.read()? },
            Outcome::Conflict => Updated::Conflict,
            Outcome::Gone => Updated::Gone,
        })
    }

    /// Returns for how long a session can live from now on; zero if it has ended.
    async fn longest_life(&self, id: SessionId) -> Result<Duration, StoreError> {
        let (now, row) = self.row(id).await?;
        Ok(row.deadline().map_or(Duration::ZERO, |deadline| deadline.saturating_since(now)))
    }

    pub(super) async fn touch<T: SessionData>(&self, touch: Touch) -> Result<Touched, StoreError> {
        let mut changes = Changes::default();
        changes.client(T::schema(), touch.client.as_ref());
        let arguments = Arguments::of(touch.id)
            .span(touch.idle)
            .maybe_hash(touch.presented.as_ref().map(|presented| presented.as_bytes()))
            .changes(&changes);
        let reply = self.call(&script::TOUCH, touch.id.placement(), arguments).await?;
        Ok(match outcome(reply)? {
            Outcome::Written(mut reply) => Touched::Written { expires_at: reply.instant()? },
            Outcome::Conflict => return Err(unexpected()),
            Outcome::Gone => Touched::Gone,
        })
    }

    /// Records uses, and returns which sessions are live.
    pub(super) async fn record_uses<T: SessionData>(
        &self,
        uses: Vec<Use>,
    ) -> Result<Vec<SessionId>, StoreError> {
        let live = self.for_each(AT_ONCE, uses, |database: Self, one: Use| async move {
            let mut changes = Changes::default();
            changes.client(T::schema(), one.client.as_ref());
            let arguments = Arguments::of(one.id).instant(one.at).span(one.idle).changes(&changes);
            let reply = database.call(&script::USE, one.id.placement(), arguments).await?;
            Ok(matches!(outcome(reply)?, Outcome::Written(_)).then_some(one.id))
        });
        Ok(live.await?.into_iter().flatten().collect())
    }

    pub(super) async fn rotate(&self, rotation: Rotation) -> Result<Rotated, StoreError> {
        Ok(match self.rotated(rotation, "").await? {
            Outcome::Written(_) => Rotated::Written,
            Outcome::Conflict => Rotated::Conflict,
            Outcome::Gone => Rotated::Gone,
        })
    }

    pub(super) async fn reauthenticate(
        &self,
        rotation: Rotation,
    ) -> Result<Reauthenticated, StoreError> {
        Ok(match self.rotated(rotation, "reauthenticate").await? {
            Outcome::Written(mut reply) => {
                Reauthenticated::Written { authenticated_at: reply.instant()? }
            }
            Outcome::Conflict => Reauthenticated::Conflict,
            Outcome::Gone => Reauthenticated::Gone,
        })
    }

    async fn rotated(&self, rotation: Rotation, how: &str) -> Result<Outcome, StoreError> {
        let Rotation { id, from, to, grace, old, idle } = rotation;
        let arguments = Arguments::of(id)
            .hash(from.as_bytes())
            .hash(to.as_bytes())
            .maybe_hash(old.remembered(from).as_ref().map(|old| old.as_bytes()))
            .text(old.state().as_str())
            .span(grace)
            .span(idle)
            .text(how);
        outcome(self.call(&script::ROTATE, id.placement(), arguments).await?)
    }
}
