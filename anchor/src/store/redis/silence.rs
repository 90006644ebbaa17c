//! [`Silence`]: for how long calls have waited on a connection, and nothing was answered.

use std::time::Duration;

use tokio::time::Instant;

/// What a call has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The connection works.
    Answered,
    /// There was no answer in time, or the connection was lost.
    Unanswered,
    /// The caller did not wait any longer.
    GivenUp,
}

/// For how long calls have waited, and nothing was answered to any of them. Callers that soon give
/// up share this time, and so do they with those who come after them. While nobody waits, the time
/// does not pass: how long an answer takes is not known then.
#[derive(Debug)]
pub(super) struct Silence {
    /// How many calls wait for an answer.
    waiting: usize,
    /// Whether a call was not answered, since when the time passes in any case.
    is_unanswered: bool,
    /// Since when the time passes, if it does.
    from: Instant,
    /// How much of it has passed before.
    before: Duration,
}

impl Silence {
    pub(super) fn new(now: Instant) -> Self {
        Self { waiting: 0, is_unanswered: false, from: now, before: Duration::ZERO }
    }

    fn passes(&self) -> bool {
        self.waiting > 0 || self.is_unanswered
    }

    /// A call begins.
    pub(super) fn begin(&mut self, now: Instant) {
        if !self.passes() {
            self.from = now;
        }
        self.waiting += 1;
    }

    /// A call ends.
    pub(super) fn end(&mut self, outcome: Outcome, now: Instant) {
        self.waiting = self.waiting.saturating_sub(1);
        match outcome {
            Outcome::Answered => {
                *self = Self { waiting: self.waiting, ..Self::new(now) };
            }
            Outcome::Unanswered => self.is_unanswered = true,
            Outcome::GivenUp if !self.passes() => self.before += now.duration_since(self.from),
            Outcome::GivenUp => {}
        }
    }

    /// Counts from here on, because another connection could not be made either.
    pub(super) fn begin_again(&mut self, now: Instant) {
        (self.from, self.before) = (now, Duration::ZERO);
    }

    /// Returns when the silence is this long, if nothing is answered until then.
    pub(super) fn reaches(&self, span: Duration, now: Instant) -> Instant {
        let from = if self.passes() { self.from } else { now };
        from + span.saturating_sub(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_millis(1_000);

    /// What happens, and how many milliseconds later the next thing does.
    enum Event {
        Begins(u64),
        Ends(Outcome, u64),
    }

    use Event::*;
    use Outcome::*;

    /// Returns how many milliseconds of the span are left then.
    fn left(events: &[Event]) -> u128 {
        let mut now = Instant::now();
        let mut silence = Silence::new(now);
        for event in events {
            let (Begins(millis) | Ends(_, millis)) = event;
            match event {
                Begins(_) => silence.begin(now),
                Ends(outcome, _) => silence.end(*outcome, now),
            }
            now += Duration::from_millis(*millis);
        }
        silence.reaches(SPAN, now).saturating_duration_since(now).as_millis()
    }

    #[test]
    fn it_lasts_while_a_call_waits_and_nothing_is_answered() {
        assert_eq!(left(&[Begins(300)]), 700);
        assert_eq!(left(&[Begins(300), Begins(300)]), 400);
        assert_eq!(left(&[Begins(300), Begins(800)]), 0);
    }

    #[test]
    fn an_answer_ends_it_for_all_who_wait() {
        assert_eq!(left(&[Begins(300), Begins(300), Ends(Answered, 100)]), 900);
        assert_eq!(left(&[Begins(300), Ends(Answered, 5_000)]), 1_000);
        assert_eq!(left(&[Begins(300), Ends(Answered, 5_000), Begins(100)]), 900);
        assert_eq!(
            left(&[Begins(0), Ends(Unanswered, 900), Begins(0), Ends(Answered, 500)]),
            1_000
        );
    }

    #[test]
    fn those_who_give_up_wait_one_after_the_other() {
        let impatient = [Begins(400), Ends(GivenUp, 60_000), Begins(400), Ends(GivenUp, 60_000)];
        assert_eq!(left(&impatient), 200);
        // Another one still waits.
        assert_eq!(left(&[Begins(100), Begins(100), Ends(GivenUp, 500)]), 300);
        assert_eq!(left(&[Begins(0), Ends(GivenUp, 60_000), Begins(0), Ends(GivenUp, 0)]), 1_000);
    }

    #[test]
    fn calls_that_fail_at_once_are_not_answered_either() {
        let lost = [Begins(0), Ends(Unanswered, 600), Begins(0), Ends(Unanswered, 600)];
        assert_eq!(left(&lost), 0);
    }
}
