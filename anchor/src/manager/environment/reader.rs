//! [`Reader`]: reads variables one by one, and collects everything that is wrong with them.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use super::near_miss::meant;
use crate::error::ConfigError;

/// Variables by their names without the prefix. `None` is a value that is not Unicode.
pub(super) type Variables = BTreeMap<String, Option<Zeroizing<String>>>;

/// The variables, without their prefix, and what each one takes.
const VARIABLES: &[(&str, &str)] = &[
    (
        "KEYS",
        "the signing keys in base64, newest first, separated by commas: `openssl rand -base64 32` \
         makes one",
    ),
    ("COOKIE_NAME", "the cookie's name, such as `__Host-id`"),
    ("COOKIE_DOMAIN", "a domain such as `example.com`, whose subdomains all receive the cookie"),
    ("COOKIE_SAME_SITE", "`lax`, `strict` or `none`"),
    ("COOKIE_SECURE", "`true` or `false`"),
    ("TRUSTED_ORIGINS", "origins separated by commas, such as `https://app.example.com`"),
    ("DEVELOPMENT", "`true` or `false`"),
];

/// Reads variables and collects what is wrong with them.
pub(super) struct Reader<'a> {
    prefix: &'a str,
    variables: &'a Variables,
    mistakes: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Makes a reader, and reports every variable whose name is almost a setting's.
    pub(super) fn new(prefix: &'a str, variables: &'a Variables) -> Self {
        let mut reader = Self { prefix, variables, mistakes: Vec::new() };
        reader.refuse_misspelt();
        reader
    }

    /// Returns an error with every mistake that was found, if there are any.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        ConfigError::of_all(&self.mistakes, "the environment")
    }

    pub(super) fn is_set(&self, variable: &str) -> bool {
        self.variables.contains_key(variable)
    }

    pub(super) fn mistake(&mut self, variable: &str, reason: impl fmt::Display) {
        self.mistakes.push(format!("{}: {reason}", self.name(variable)));
    }

    /// Returns the variable's name with its prefix.
    pub(super) fn name(&self, variable: &str) -> String {
        format!("{}_{variable}", self.prefix)
    }

    fn refuse_misspelt(&mut self) {
        let (prefix, variables) = (self.prefix, self.variables);
        for name in variables.keys() {
            let settings = VARIABLES.iter().map(|(setting, _)| *setting);
            let meant: Vec<_> =
                meant(name, settings).into_iter().map(|setting| self.name(setting)).collect();
            if !meant.is_empty() {
                let meant = meant.join(" or ");
                self.mistake(
                    name,
                    format_args!(
                        "no such setting; did you mean {meant}? If the variable is not anchor's, \
                         choose another prefix than `{prefix}`"
                    ),
                );
            }
        }
    }

    /// Returns the variable's text. A variable that is set but empty is a mistake.
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

    /// Adds a mistake that says what the variable takes.
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
                let fault = format!("`{}` is not valid: write", other.escape_debug());
                self.expected(variable, &fault);
                None
            }
        }
    }
}
