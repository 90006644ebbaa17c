//! The things, and which of them is ahead.

use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

use super::{Database, on};

/// A thing that people vote on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub(crate) struct Thing {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) icon: String,
}

/// A thing with its duels.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
struct Tally {
    #[sqlx(flatten)]
    thing: Thing,
    wins: i64,
    duels: i64,
}

/// A line of the leaderboard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Standing {
    pub(crate) rank: usize,
    pub(crate) thing: Thing,
    pub(crate) wins: i64,
    pub(crate) duels: i64,
    /// How sure it is that people prefer it, in percent.
    pub(crate) score: u32,
}

/// How many lines the leaderboard has.
const TOP: usize = 20;

impl Database {
    /// Returns two things that this voter has not voted on, in random order, or `None` if there are
    /// no such two.
    pub(crate) async fn next_pair(
        &self,
        voter: Uuid,
    ) -> Result<Option<(Thing, Thing)>, sqlx::Error> {
        let sql = "SELECT low.id, high.id FROM things low JOIN things high ON low.id < high.id \
                   WHERE NOT EXISTS (SELECT 1 FROM votes \
                   WHERE voter = $1 AND votes.low = low.id AND votes.high = high.id) \
                   ORDER BY random() LIMIT 1";
        let pair: Option<(i64, i64)> =
            on!(self, pool => sqlx::query_as(sql).bind(voter).fetch_optional(pool).await?);
        let Some((low, high)) = pair else { return Ok(None) };
        let sql = "SELECT id, name, icon FROM things WHERE id IN ($1, $2) ORDER BY random()";
        let things: Vec<Thing> =
            on!(self, pool => sqlx::query_as(sql).bind(low).bind(high).fetch_all(pool).await?);
        let mut things = things.into_iter();
        Ok(things.next().zip(things.next()))
    }

    /// Returns how many pairs there are to vote on.
    pub(crate) async fn pairs(&self) -> Result<i64, sqlx::Error> {
        let sql = "SELECT count(*) FROM things";
        let things: i64 = on!(self, pool => sqlx::query_scalar(sql).fetch_one(pool).await?);
        Ok(things * (things - 1) / 2)
    }

    /// Returns the leaderboard. It reads every vote: [`crate::live`] does so at most once a second,
    /// for everybody.
    pub(crate) async fn standings(&self) -> Result<Vec<Standing>, sqlx::Error> {
        let sql = "SELECT things.id, things.name, things.icon, \
                   count(CASE WHEN votes.winner = things.id THEN 1 END) AS wins, \
                   count(votes.winner) AS duels \
                   FROM things LEFT JOIN votes ON things.id IN (votes.low, votes.high) \
                   GROUP BY things.id, things.name, things.icon";
        let tallies: Vec<Tally> = on!(self, pool => sqlx::query_as(sql).fetch_all(pool).await?);
        Ok(ranked(tallies))
    }
}

fn ranked(mut tallies: Vec<Tally>) -> Vec<Standing> {
    let score = |tally: &Tally| lower_bound(tally.wins, tally.duels);
    tallies.sort_by(|one, other| {
        let by_score = score(other).total_cmp(&score(one));
        by_score
            .then(one.duels.cmp(&other.duels))
            .then_with(|| one.thing.name.cmp(&other.thing.name))
    });
    let placed = tallies.into_iter().take(TOP).enumerate();
    placed
        .map(|(place, tally)| Standing {
            rank: place + 1,
            score: (100.0 * score(&tally)).round() as u32,
            wins: tally.wins,
            duels: tally.duels,
            thing: tally.thing,
        })
        .collect()
}

/// The lower bound of Wilson's score interval, at 95 %: the share of wins that a thing has at
/// least, as far as its duels tell. So three wins of three do not beat ninety of a hundred.
fn lower_bound(wins: i64, duels: i64) -> f64 {
    const Z: f64 = 1.96;
    if duels == 0 {
        return 0.0;
    }
    let n = duels as f64;
    let share = wins as f64 / n;
    let spread = (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((share + Z * Z / (2.0 * n) - Z * spread) / (1.0 + Z * Z / n)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(name: &str, wins: i64, duels: i64) -> Tally {
        Tally { thing: Thing { id: 0, name: name.into(), icon: String::new() }, wins, duels }
    }

    #[test]
    fn many_duels_count_for_more_than_a_few_lucky_ones() {
        let tallies = [("lucky", 3, 3), ("proven", 90, 100), ("new", 0, 0), ("bad", 1, 50)];
        let tallies = tallies.map(|(name, wins, duels)| tally(name, wins, duels));
        let ranked = ranked(tallies.to_vec());
        let names: Vec<_> = ranked.iter().map(|standing| standing.thing.name.as_str()).collect();
        assert_eq!(names, ["proven", "lucky", "bad", "new"]);
        assert_eq!((ranked[0].rank, ranked[0].score), (1, 83));
        assert_eq!((ranked[3].rank, ranked[3].score), (4, 0));
    }

    #[test]
    fn the_leaderboard_has_twenty_lines() {
        let tallies = (0..24).map(|n| tally(&n.to_string(), n, 24)).collect();
        assert_eq!(ranked(tallies).len(), 20);
    }
}
