//! Names that are made of others, cut so that every database keeps them whole.

use sha2::{Digest, Sha256};

/// The longest name that every dialect keeps whole: PostgreSQL cuts at 63 bytes.
pub(super) const LONGEST_NAME: usize = 63;

/// `table_column_suffix`, cut so that every database keeps it whole and two long names stay two.
pub(super) fn name_of(table: &str, column: &str, suffix: &str) -> String {
    cut_name(&format!("{table}_{column}"), suffix)
}

/// `name_suffix`, cut likewise.
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
