//! `rotate` and `reauthenticate`: a new secret for the same session. One of several concurrent
//! calls wins.

use crate::error::StoreError;
use crate::store::{Reauthenticated, Rotated, Rotation, RotationState};

use super::super::database::Database;
use super::super::driver::Driver;
use super::super::expressions::{after, reported, returning};
use super::super::statement::{Query, Statement};
use super::super::table::{SqlTable, micros};
use super::version::LiveVersion;

const PARAMETERS: [&str; 7] =
    ["id", "secret", "new_secret", "old_secret", "rotation_state", "grace", "idle"];

pub(in super::super) struct Rotate {
    rotate: Statement<7>,
    reauthenticate: Statement<7>,
    live_version: LiveVersion,
}

impl Rotate {
    pub(super) fn new(table: &SqlTable) -> Self {
        let statement = |assignments: &str, is_exchanged: &str, returning: &str| {
            let text = format!(
                "UPDATE {name} SET {assignments}{used}, previous_secret_hash = :old_secret, \
                 previous_secret_until = {until}, secret_hash = :new_secret, \
                 rotation_state = :rotation_state \
                 WHERE {row} AND {may_rotate} AND {live}{returning}",
                name = table.name,
                used = table.used(),
                until = after(table.dialect, table.now, ":grace"),
                row = table.row,
                may_rotate = table.may_rotate(is_exchanged),
                live = table.live(),
            );
            table.statement(&text, PARAMETERS)
        };
        let exchangeable = SqlTable::is_exchangeable();
        let unsettled = format!("rotation_state <> '{}'", RotationState::Settled.as_str());
        let authenticated = reported(table.dialect, table.now);
        Self {
            rotate: statement("", &exchangeable, ""),
            reauthenticate: statement(
                &format!("authenticated_at = {authenticated}, "),
                &unsettled,
                &returning(table.dialect, "authenticated_at"),
            ),
            live_version: LiveVersion::new(table),
        }
    }

    pub(in super::super) async fn rotate<D: Driver>(
        &self,
        database: &Database<D>,
        rotation: Rotation,
    ) -> Result<Rotated, StoreError> {
        let id = rotation.id;
        if database.execute(write(&self.rotate, rotation)).await? > 0 {
            return Ok(Rotated::Written);
        }
        let is_live = self.live_version.is_live(database, id).await?;
        Ok(if is_live { Rotated::Conflict } else { Rotated::Gone })
    }

    pub(in super::super) async fn reauthenticate<D: Driver>(
        &self,
        database: &Database<D>,
        rotation: Rotation,
    ) -> Result<Reauthenticated, StoreError> {
        let id = rotation.id;
        let write = write(&self.reauthenticate, rotation);
        if let Some(authenticated_at) = database.instant(write).await? {
            return Ok(Reauthenticated::Written { authenticated_at });
        }
        let is_live = self.live_version.is_live(database, id).await?;
        Ok(if is_live { Reauthenticated::Conflict } else { Reauthenticated::Gone })
    }
}

fn write(statement: &Statement<7>, rotation: Rotation) -> Query {
    let Rotation { id, from, to, grace, old, idle } = rotation;
    statement.with([
        id.into(),
        from.into(),
        to.into(),
        old.remembered(from).into(),
        old.state().as_str().into(),
        micros(grace).into(),
        micros(idle).into(),
    ])
}
