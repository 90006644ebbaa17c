//! The votes. A voter is a user, by their id, or a guest, by the number in their session.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use super::things::Thing;
use super::{Database, on};

/// How many votes are inserted at a time: databases limit the parameters of a statement.
const VOTES_PER_STATEMENT: usize = 1_000;

/// Two things, and which of them was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    low: i64,
    high: i64,
    winner: i64,
}

impl Choice {
    /// Returns the choice of `winner` from two things, or `None` if it is not one of two.
    pub(crate) fn new(one: i64, other: i64, winner: i64) -> Option<Self> {
        let is_choice = one != other && (winner == one || winner == other);
        is_choice.then_some(Self { low: one.min(other), high: one.max(other), winner })
    }
}

/// What became of a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voted {
    Counted,
    /// This voter has voted on these two before: that vote stays.
    Before,
    /// There is no such thing.
    Unknown,
}

/// What a voter chose, on their profile.
#[derive(Debug, FromRow)]
pub(crate) struct Favourite {
    #[sqlx(flatten)]
    pub(crate) thing: Thing,
    pub(crate) chosen: i64,
}

impl Database {
    /// Counts a vote, once per voter and pair: the primary key decides, so that of two requests at
    /// the same time one counts.
    pub(crate) async fn vote(&self, voter: Uuid, choice: Choice) -> Result<Voted, sqlx::Error> {
        let sql = "INSERT INTO votes (voter, low, high, winner, voted_at) \
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (voter, low, high) DO NOTHING";
        let inserted = on!(self, pool => sqlx::query(sql)
            .bind(voter)
            .bind(choice.low)
            .bind(choice.high)
            .bind(choice.winner)
            .bind(now())
            .execute(pool)
            .await
            .map(|done| done.rows_affected()));
        match inserted {
            Ok(0) => Ok(Voted::Before),
            Ok(_) => Ok(Voted::Counted),
            Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
                Ok(Voted::Unknown)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a vote that was counted, and returns whether it was still this voter's.
    pub(crate) async fn take_back(&self, voter: Uuid, choice: Choice) -> Result<bool, sqlx::Error> {
        let sql = "DELETE FROM votes WHERE voter = $1 AND low = $2 AND high = $3";
        let rows = on!(self, pool => sqlx::query(sql)
            .bind(voter)
            .bind(choice.low)
            .bind(choice.high)
            .execute(pool)
            .await?
            .rows_affected());
        Ok(rows == 1)
    }

    /// Gives a guest's votes to a user, and returns how many. Where both have voted, the user's own
    /// vote stays.
    pub(crate) async fn hand_over_votes(
        &self,
        guest: Uuid,
        user: Uuid,
    ) -> Result<u64, sqlx::Error> {
        // The first statement decides: of two logins at the same time, one gets the rows.
        let take = "DELETE FROM votes WHERE voter = $1 RETURNING low, high, winner, voted_at";
        let give = "INSERT INTO votes (voter, low, high, winner, voted_at) ";
        let but = " ON CONFLICT (voter, low, high) DO NOTHING";
        on!(self, pool => {
            let mut transaction = pool.begin().await?;
            let mut taken: Vec<(i64, i64, i64, i64)> =
                sqlx::query_as(take).bind(guest).fetch_all(&mut *transaction).await?;
            // Two guests may log in as one user at the same time: in one order, neither waits for
            // a row of the other while that one waits for theirs.
            taken.sort_unstable();
            let mut given = 0;
            for votes in taken.chunks(VOTES_PER_STATEMENT) {
                let mut statement = QueryBuilder::new(give);
                statement.push_values(votes, |mut row, (low, high, winner, voted_at)| {
                    row.push_bind(user).push_bind(*low).push_bind(*high);
                    row.push_bind(*winner).push_bind(*voted_at);
                });
                let statement = statement.push(but).build();
                given += statement.execute(&mut *transaction).await?.rows_affected();
            }
            transaction.commit().await?;
            Ok(given)
        })
    }

    /// Returns how many votes a voter has given.
    pub(crate) async fn votes_of(&self, voter: Uuid) -> Result<i64, sqlx::Error> {
        let sql = "SELECT count(*) FROM votes WHERE voter = $1";
        on!(self, pool => sqlx::query_scalar(sql).bind(voter).fetch_one(pool).await)
    }

    /// Returns how many votes there are.
    pub(crate) async fn all_votes(&self) -> Result<i64, sqlx::Error> {
        let sql = "SELECT count(*) FROM votes";
        on!(self, pool => sqlx::query_scalar(sql).fetch_one(pool).await)
    }

    /// Returns the things that a voter chose most often.
    pub(crate) async fn favourites(&self, voter: Uuid) -> Result<Vec<Favourite>, sqlx::Error> {
        let sql = "SELECT things.id, things.name, things.icon, count(*) AS chosen \
                   FROM votes JOIN things ON things.id = votes.winner WHERE votes.voter = $1 \
                   GROUP BY things.id, things.name, things.icon \
                   ORDER BY count(*) DESC, things.name LIMIT 5";
        on!(self, pool => sqlx::query_as(sql).bind(voter).fetch_all(pool).await)
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
