//! Converts the name of a Rust type or variant to the case that its name in SQL has.

/// The cases that `rename_all` knows.
pub(crate) const CASES: &[&str] = &[
    "snake_case",
    "kebab-case",
    "lowercase",
    "UPPERCASE",
    "PascalCase",
    "camelCase",
    "SCREAMING_SNAKE_CASE",
];

/// Returns the name in this case, or `None` if the case is not one of [`CASES`].
pub(crate) fn apply(case: &str, name: &str) -> Option<String> {
    let words = words(name);
    let joined = |separator: &str| words.join(separator);
    Some(match case {
        "snake_case" => joined("_"),
        "kebab-case" => joined("-"),
        "lowercase" => joined(""),
        "UPPERCASE" => joined("").to_uppercase(),
        "PascalCase" => words.iter().map(|word| capitalized(word)).collect(),
        "camelCase" => {
            let pascal: String = words.iter().map(|word| capitalized(word)).collect();
            let first = words.first().map_or("", String::as_str);
            format!("{first}{}", &pascal[capitalized(first).len()..])
        }
        "SCREAMING_SNAKE_CASE" => joined("_").to_uppercase(),
        _ => return None,
    })
}

/// Converts a name to snake case: `UserSession` to `user_session`, `HTTPCookie` to `http_cookie`.
pub(crate) fn snake(name: &str) -> String {
    words(name).join("_")
}

/// Returns the words of a name in lower case. A new word begins at an underscore, at a capital
/// after a lower-case letter or a digit, and at the last capital of a run of capitals that a
/// lower-case letter follows.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (index, &letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(index + 1);
        let begins = letter.is_uppercase()
            && before.is_some_and(|before| {
                !before.is_uppercase() || after.is_some_and(|after| after.is_lowercase())
            });
        if letter == '_' || begins {
            words.push(String::new());
        }
        if letter != '_' {
            words.last_mut().expect("never empty").extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_into_words_as_a_reader_would() {
        for (name, snake_case) in [
            ("UserSession", "user_session"),
            ("HTTPCookie", "http_cookie"),
            ("OAuth2Login", "o_auth2_login"),
            ("S", "s"),
            ("Already_Split", "already_split"),
            ("ABC", "abc"),
            ("ÜberNutzer", "über_nutzer"),
        ] {
            assert_eq!(snake(name), snake_case);
        }
    }

    #[test]
    fn every_case_is_applied() {
        let expected = [
            "super_admin",
            "super-admin",
            "superadmin",
            "SUPERADMIN",
            "SuperAdmin",
            "superAdmin",
            "SUPER_ADMIN",
        ];
        for (case, expected) in CASES.iter().zip(expected) {
            assert_eq!(apply(case, "SuperAdmin").as_deref(), Some(expected));
        }
        assert_eq!(apply("Train-Case", "SuperAdmin"), None);
    }
}
