//! [`Reader`]: variables one by one, and what is wrong with them all.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::error::ConfigError;

/// Variables by their names without the prefix. `None` is a value that is not Unicode.
pub(super) type Variables = BTreeMap<String, Option<Zeroizing<String>>>;

/// The variables, without their prefix, and what each takes.
const VARIABLES: &[(&str, &str)] = &[
    (
        "KEYS",
        "the signing keys in base64, newest first, separated by commas: `openssl rand -base64 32` makes one",
    ),
    ("COOKIE_NAME", "the cookie's name, as `__Host-id`"),
    ("COOKIE_DOMAIN", "a domain as `example.com`, whose subdomains all receive the cookie"),
    ("COOKIE_SAME_SITE", "`lax`, `strict` or `none`"),
    ("COOKIE_SECURE", "`true` or `false`"),
    ("TRUSTED_ORIGINS", "origins separated by commas, as `https://app.example.com`"),
    ("DEVELOPMENT", "`true` or `false`"),
];

/// Variables of the prefix that mean something elsewhere: to the derived migration test, and to
/// anchor's own tests.
const ELSEWHERE: &[&str] = &["MIGRATE", "BLESS", "DIALECT"];
const ELSEWHERE_PREFIX: &str = "TEST_";

/// Reads variables and collects what is wrong with them.
pub(super) struct Reader<'a> {
    prefix: &'a str,
    variables: &'a Variables,
    mistakes: Vec<String>,
}

impl<'a> Reader<'a> {
    /// A reader that has found every variable whose name is none of anchor's.
    pub(super) fn new(prefix: &'a str, variables: &'a Variables) -> Self {
        let mut reader = Self { prefix, variables, mistakes: Vec::new() };
        reader.refuse_unknown();
        reader
    }

    /// Nothing, or every mistake that was found.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        match self.mistakes.as_slice() {
            [] => Ok(()),
            [only] => Err(ConfigError::new(only)),
            several => Err(ConfigError::new(format_args!(
                "{} mistakes in the environment:\n- {}",
                several.len(),
                several.join("\n- ")
            ))),
        }
    }

    pub(super) fn is_set(&self, variable: &str) -> bool {
        self.variables.contains_key(variable)
    }

    pub(super) fn mistake(&mut self, variable: &str, reason: impl fmt::Display) {
        self.mistakes.push(format!("{}: {reason}", self.name(variable)));
    }

    /// The variable with its prefix.
    pub(super) fn name(&self, variable: &str) -> String {
        format!("{}_{variable}", self.prefix)
    }

    fn refuse_unknown(&mut self) {
        let (prefix, variables) = (self.prefix, self.variables);
        for name in variables.keys() {
            let known = VARIABLES.iter().any(|(known, _)| known == name)
                || ELSEWHERE.contains(&name.as_str())
                || name.starts_with(ELSEWHERE_PREFIX);
            if !known {
                let known: Vec<_> = VARIABLES.iter().map(|(known, _)| self.name(known)).collect();
                self.mistake(
                    name,
                    format_args!(
                        "no such setting; there are {}. If the variable is not anchor's, \
                         choose another prefix than `{prefix}`",
                        known.join(", ")
                    ),
                );
            }
        }
    }

    /// The variable's text. One that is set and says nothing is a mistake.
    pub(super) fn text(&mut self, variable: &str) -> Option<Zeroizing<String>> {
        let value = self.variables.get(variable)?;
        match value {
            Some(text) if !text.trim().is_empty() => Some(Zeroizing::new(text.trim().to_owned())),
            Some(_) => {
                self.expected(variable, "it is empty: unset it, or write");
                None
            }
            None => {
                self.expected(variable, "its value is not Unicode: write");
                None
            }
        }
    }

    /// A mistake that says what the variable takes.
    pub(super) fn expected(&mut self, variable: &str, fault: &str) {
        let takes =
            VARIABLES.iter().find(|(known, _)| *known == variable).map_or("", |(_, takes)| takes);
        self.mistake(variable, format_args!("{fault} {takes}"));
    }

    pub(super) fn flag(&mut self, variable: &str) -> Option<bool> {
        let text = self.text(variable)?;
        match text.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                let fault = format!("`{}` is neither: write", other.escape_debug());
                self.expected(variable, &fault);
                None
            }
        }
    }
}
