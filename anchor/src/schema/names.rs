//! Names that are made of other names, shortened so that no database truncates them.

use sha2::{Digest, Sha256};

/// The longest name that no dialect truncates: PostgreSQL truncates at 63 bytes.
pub(super) const LONGEST_NAME: usize = 63;

/// Returns `table_column_suffix`, shortened so that no database truncates it and two different long
/// names stay different.
pub(super) fn name_of(table: &str, column: &str, suffix: &str) -> String {
    cut_name(&format!("{table}_{column}"), suffix)
}

/// Returns `name_suffix`, shortened in the same way.
pub(super) fn cut_name(name: &str, suffix: &str) -> String {
    let name = format!("{name}_{suffix}");
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let hash = Sha256::digest(&name);
    let hash = format!("{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]);
    let mut cut = LONGEST_NAME - hash.len() - suffix.len() - 2;
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}_{hash}_{suffix}", &name[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_different() {
        let table = "sessions_of_the_administrators_of_the_shop";
        let first = name_of(table, "a_long_column_name_whose_end_is_one", "idx");
        let second = name_of(table, "a_long_column_name_whose_end_is_two", "idx");
        assert_eq!((first.len(), second.len()), (LONGEST_NAME, LONGEST_NAME));
        assert_ne!(first, second);
        assert!(first.ends_with("_idx"));
    }
}
