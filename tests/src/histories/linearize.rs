//! Looks for an order of calls. This is the search of Wing and Gong. Like Lowe's, it remembers
//! which calls it has made and what the state was then, so that it tries nothing twice.

use std::collections::HashSet;
use std::hash::Hash;
use std::time::Duration;

/// When a call was made.
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    /// Before the call.
    pub called: Duration,
    /// After its answer; `None` for a call that may happen at any later time, or never.
    pub answered: Option<Duration>,
}

/// The largest number of calls.
pub const MOST: usize = 64;

/// Finds an order of all calls that were answered, in which each comes after those that were
/// answered before it was called. `step` gives the states in which a call, by its place, may leave
/// a state; none if the call cannot come here. It also gets the calls that come before, one bit
/// each.
///
/// # Panics
///
/// With more than [`MOST`] calls.
pub fn linearize<S: Clone + Eq + Hash>(
    intervals: &[Interval],
    first: S,
    step: impl Fn(&S, usize, u64) -> Vec<S>,
) -> Option<Vec<usize>> {
    assert!(intervals.len() <= MOST, "{} calls are too many", intervals.len());
    let mut search = Search { intervals, step, tried: HashSet::new(), order: Vec::new() };
    search.goes_on(0, &first).then_some(search.order)
}

struct Search<'i, S, F> {
    intervals: &'i [Interval],
    step: F,
    /// The calls that were made, and the state after them, from where nothing leads on.
    tried: HashSet<(u64, S)>,
    order: Vec<usize>,
}

impl<S: Clone + Eq + Hash, F: Fn(&S, usize, u64) -> Vec<S>> Search<'_, S, F> {
    fn goes_on(&mut self, made: u64, state: &S) -> bool {
        let intervals = self.intervals;
        let waiting = || intervals.iter().enumerate().filter(|(at, _)| made & (1 << at) == 0);
        let Some(first_answer) = waiting().filter_map(|(_, waits)| waits.answered).min() else {
            return true;
        };
        if !self.tried.insert((made, state.clone())) {
            return false;
        }
        let next = waiting().filter(|(_, waits)| waits.called <= first_answer);
        for at in next.map(|(at, _)| at) {
            for state in (self.step)(state, at, made) {
                self.order.push(at);
                if self.goes_on(made | 1 << at, &state) {
                    return true;
                }
                self.order.pop();
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    /// A call of a register that can be read and written.
    #[derive(Debug, Clone, Copy)]
    enum Call {
        Read(usize),
        Write(usize),
    }

    fn step(state: &usize, call: Call) -> Vec<usize> {
        match call {
            Call::Read(read) if read == *state => vec![read],
            Call::Read(_) => Vec::new(),
            Call::Write(written) => vec![written],
        }
    }

    /// Tries every order, with and without each call that has no answer.
    fn has_order(calls: &[(Interval, Call)], left: &[usize], state: usize) -> bool {
        let is_answered = |at: &usize| calls[*at].0.answered.is_some();
        !left.iter().any(is_answered)
            || left.iter().any(|&next| {
                let rest: Vec<_> = left.iter().copied().filter(|at| *at != next).collect();
                let called = calls[next].0.called;
                let is_late =
                    rest.iter().any(|&at| calls[at].0.answered.is_some_and(|at| at < called));
                !is_late
                    && step(&state, calls[next].1)
                        .into_iter()
                        .any(|state| has_order(calls, &rest, state))
            })
    }

    #[test]
    fn it_finds_an_order_where_there_is_one() {
        let (mut found, mut refused) = (0, 0);
        for seed in 0..3_000 {
            let mut dice = Dice::new(seed);
            let calls: Vec<(Interval, Call)> = (0..6)
                .map(|_| {
                    let called = Duration::from_secs(dice.below(20) as u64);
                    let answered = called + Duration::from_secs(dice.below(8) as u64);
                    let answered = (!dice.one_in(6)).then_some(answered);
                    let number = dice.below(3);
                    let call =
                        if dice.one_in(2) { Call::Read(number) } else { Call::Write(number) };
                    (Interval { called, answered }, call)
                })
                .collect();
            let intervals: Vec<_> = calls.iter().map(|(interval, _)| *interval).collect();
            let order = linearize(&intervals, 0, |state, at, _| step(state, calls[at].1));
            let all: Vec<_> = (0..calls.len()).collect();
            assert_eq!(order.is_some(), has_order(&calls, &all, 0), "seed {seed}: {calls:?}");
            *(if order.is_some() { &mut found } else { &mut refused }) += 1;
        }
        assert!(found > 300 && refused > 300, "{found} found, {refused} refused");
    }
}
