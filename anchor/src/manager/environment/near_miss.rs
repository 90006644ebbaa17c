//! Finds the settings that a variable may have been meant to be, if its name is almost the name of
//! a setting.

/// Words that only Kubernetes' variables for a service have, such as `ANCHOR_KEYS_SERVICE_HOST` for
/// the service `anchor-keys`.
const OF_A_SERVICE: [&str; 2] = ["SERVICE", "PORT"];

/// Returns the settings that a variable may have been meant to be. Returns none for the name of a
/// setting, and for a name that is the application's own.
///
/// `COOKIE` may be missing or out of place, and `SECRET` means a key. A name is then almost a
/// setting's if
///
/// - it consists of words of the setting, in any order, which may be singular, plural or cut off;
/// - it begins with the setting;
/// - it differs in one typing error, or in two if the setting is long.
///
/// Any other name that begins with `COOKIE` may have been meant to be any setting of the cookie.
pub(super) fn meant(
    name: &str,
    settings: impl Iterator<Item = &'static str> + Clone,
) -> Vec<&'static str> {
    let words = words(name);
    let is_of_a_service = words.iter().any(|word| OF_A_SERVICE.contains(&word.as_str()));
    if is_of_a_service || settings.clone().any(|setting| setting == name) {
        return Vec::new();
    }
    let upper = name.to_ascii_uppercase();
    let mut named = settings.clone().filter(|setting| has_words_of(&words, setting));
    let mut misspelt = settings.clone().filter(|setting| {
        let errors = if setting.len() < 8 { 1 } else { 2 };
        distance(&upper, setting) <= errors
    });
    if let Some(setting) = named.next().or_else(|| misspelt.next()) {
        return vec![setting];
    }
    let is_of_the_cookie = |words: &[String]| words.first().is_some_and(|word| word == "COOKIE");
    match is_of_the_cookie(&words) {
        true => settings.filter(|setting| is_of_the_cookie(&self::words(setting))).collect(),
        false => Vec::new(),
    }
}

/// Returns whether a name consists of words of the setting, or begins with all of them.
fn has_words_of(name: &[String], setting: &str) -> bool {
    let setting = words(setting);
    if name.starts_with(&setting) {
        return true;
    }
    let without_cookie = |words: &[String]| -> Vec<String> {
        words.iter().filter(|word| *word != "COOKIE").cloned().collect()
    };
    let (name, setting) = (without_cookie(name), without_cookie(&setting));
    let is_beginning = |part: &str, whole: &str| part.len() >= 3 && whole.starts_with(part);
    let is_in_setting = |part: &String| setting.iter().any(|whole| is_beginning(part, whole));
    (!name.is_empty() && name.iter().all(is_in_setting))
        || is_beginning(&name.concat(), &setting.concat())
}

/// Returns the words of a name: in upper case and the singular, with one word for a key.
fn words(name: &str) -> Vec<String> {
    let words = name.split('_').filter(|word| !word.is_empty()).map(|word| {
        let upper = word.to_ascii_uppercase();
        match upper.strip_suffix('S').unwrap_or(&upper) {
            "SECRET" => "KEY".to_owned(),
            singular => singular.to_owned(),
        }
    });
    words.collect()
}

/// Returns how many characters to insert, remove, replace, or swap with their neighbor, to turn one
/// word into the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (from.as_bytes(), to.as_bytes());
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
