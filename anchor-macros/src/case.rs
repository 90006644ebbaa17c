//! Turning a Rust type's or variant's name into the case that SQL wants.

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

/// The name in one of [`CASES`]; `None` for any other.
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

/// `UserSession` as `user_session`, `HTTPCookie` as `http_cookie`.
pub(crate) fn snake(name: &str) -> String {
    words(name).join("_")
}

/// The words of a name, in lower case: a new one begins at an underscore, at a capital after a
/// small letter or digit, and at the last capital of a run that a small letter follows.
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
