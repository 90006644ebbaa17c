//! Suggests what a misspelt name was probably meant to be.

use std::fmt::Write;

/// Returns the message for a name that is not known. It suggests the nearest known name, or lists
/// all of them.
pub(crate) fn unknown(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(meant) => format!("unknown argument `{name}`; did you mean `{meant}`?"),
        None => format!("unknown argument `{name}`; known are {}", list(known)),
    }
}

/// Returns the names in backquotes, separated by commas.
pub(crate) fn list(names: &[&str]) -> String {
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let _ = write!(text, "{separator}`{name}`");
    }
    text
}

/// Returns the nearest known name, if it differs in at most a third of the typed name's letters.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .filter(|(distance, _)| *distance <= (name.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns how many letters must be inserted, removed, replaced, or swapped with their neighbour to
/// turn one word into the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<_>, Vec<_>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<_>>()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let known = ["table", "idle", "absolute"];
        assert_eq!(nearest("tabel", &known), Some("table"));
        assert_eq!(nearest("absolut", &known), Some("absolute"));
        assert_eq!(nearest("idel", &known), Some("idle"));
        assert_eq!(nearest("timeout", &known), None);
    }
}
