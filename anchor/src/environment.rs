//! [`Environment`]: a manager's settings from environment variables, where every mistake is told at the start, all in one go.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::error::ConfigError;
use crate::frontend::{Frontend, SameSite, SessionCookie};
use crate::keys::KeyRing;

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

/// Settings of a [`SessionManager`](crate::SessionManager) in environment variables, for
/// [`SessionManagerBuilder::environment`](crate::SessionManagerBuilder::environment).
///
/// | variable | takes | without it |
/// | --- | --- | --- |
/// | `ANCHOR_KEYS` | signing keys in base64, newest first, separated by commas | an error; in development one key for this run |
/// | `ANCHOR_COOKIE_NAME` | the cookie's name | the struct's `#[session(cookie = "..")]`, else `__Host-id` |
/// | `ANCHOR_COOKIE_DOMAIN` | `example.com`: every subdomain receives the token | the host alone |
/// | `ANCHOR_COOKIE_SAME_SITE` | `lax`, `strict` or `none` | `lax` |
/// | `ANCHOR_COOKIE_SECURE` | `true` or `false` | `true` |
/// | `ANCHOR_TRUSTED_ORIGINS` | origins whose pages may send requests, separated by commas | the application's own |
/// | `ANCHOR_DEVELOPMENT` | `true`: a cookie for plain HTTP, with a warning in the log | `false` |
///
/// A variable whose name is nearly a setting's, such as `ANCHOR_COOKIE_SAMESITE`, is an error that suggests the setting: a setting that
/// is misspelt is a setting that is missing. Any other variable of the prefix is not anchor's, and is left alone: the
/// `ANCHOR_PORT` that Kubernetes sets for a service named `anchor`, or one of the application's own. A setting that is empty is an error.
/// All mistakes are reported at once, each with its variable and with what to write.
///
/// `Debug` shows the variables' names, and no value.
#[derive(Clone)]
pub struct Environment {
    prefix: String,
    /// The variables of the prefix, without it. `None` is a value that is not Unicode.
    variables: BTreeMap<String, Option<Zeroizing<String>>>,
}

impl Environment {
    /// This process's variables whose names begin with the prefix and an underscore, as `ANCHOR_KEYS` with `ANCHOR`.
    ///
    /// Two managers need two prefixes, of which none begins the other: `USER` and `ADMIN`.
    pub fn of_process(prefix: &str) -> Self {
        Self::of(prefix, env::vars_os())
    }

    /// The variables from elsewhere: a test, a file.
    ///
    /// ```
    /// use anchor::Environment;
    ///
    /// let environment = Environment::of("ANCHOR", [("ANCHOR_DEVELOPMENT", "true")]);
    /// ```
    pub fn of<N, V>(prefix: &str, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let variables = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into().into_string().ok()?;
            let name = name.strip_prefix(prefix)?.strip_prefix('_')?.to_owned();
            Some((name, value.into().into_string().ok().map(Zeroizing::new)))
        });
        Self { prefix: prefix.to_owned(), variables: variables.collect() }
    }

    /// Reads all variables, for a payload whose struct names this cookie. `own_keys` and `own_frontend` say what the program has set itself.
    pub(crate) fn read(
        &self,
        cookie: Option<&'static str>,
        own_keys: bool,
        own_frontend: bool,
    ) -> Result<Settings, ConfigError> {
        let mut reader = Reader { environment: self, mistakes: Vec::new() };
        reader.refuse_misspelt();
        let development = reader.flag("DEVELOPMENT").unwrap_or(false);
        let settings = Settings {
            keys: reader.keys(development, own_keys),
            cookie: reader.cookie(cookie, development, own_frontend),
            trusted_origins: reader.origins(),
        };
        let mistakes = reader.mistakes;
        match mistakes.as_slice() {
            [] => Ok(settings),
            [only] => Err(ConfigError::new(only)),
            several => Err(ConfigError::new(format_args!(
                "{} mistakes in the environment:\n- {}",
                several.len(),
                several.join("\n- ")
            ))),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("prefix", &self.prefix)
            .field("variables", &self.variables.keys())
            .finish()
    }
}

/// What an environment says.
pub(crate) struct Settings {
    pub(crate) keys: Option<KeyRing>,
    pub(crate) cookie: Option<SessionCookie>,
    pub(crate) trusted_origins: Vec<String>,
}

/// Reads variables and collects what is wrong with them.
struct Reader<'a> {
    environment: &'a Environment,
    mistakes: Vec<String>,
}

impl Reader<'_> {
    fn mistake(&mut self, variable: &str, reason: impl fmt::Display) {
        self.mistakes.push(format!("{}: {reason}", self.name(variable)));
    }

    fn name(&self, variable: &str) -> String {
        format!("{}_{variable}", self.environment.prefix)
    }

    fn refuse_misspelt(&mut self) {
        let environment = self.environment;
        for name in environment.variables.keys() {
            if let Some(meant) = misspelt(name) {
                let (meant, prefix) = (self.name(meant), &environment.prefix);
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

    /// The variable's text. One that is set and says nothing is a mistake.
    fn text(&mut self, variable: &str) -> Option<Zeroizing<String>> {
        let value = self.environment.variables.get(variable)?;
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

    fn expected(&mut self, variable: &str, fault: &str) {
        let takes =
            VARIABLES.iter().find(|(known, _)| *known == variable).map_or("", |(_, takes)| takes);
        self.mistake(variable, format_args!("{fault} {takes}"));
    }

    fn flag(&mut self, variable: &str) -> Option<bool> {
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

    fn keys(&mut self, development: bool, own: bool) -> Option<KeyRing> {
        if !self.environment.variables.contains_key("KEYS") {
            if development && !own {
                tracing::warn!(
                    target: "anchor",
                    "development: sessions are signed with a key made for this run, and do not outlive it"
                );
                return KeyRing::generate().map_err(|error| self.mistake("KEYS", error)).ok();
            }
            if !own {
                self.expected("KEYS", "it is not set: write");
            }
            return None;
        }
        let text = self.text("KEYS")?;
        if own {
            self.mistake(
                "KEYS",
                "the program has keys of its own: unset it, or remove `.keys(..)`",
            );
            return None;
        }
        KeyRing::parse(&text).map_err(|error| self.mistake("KEYS", error)).ok()
    }

    fn cookie(
        &mut self,
        struct_name: Option<&'static str>,
        development: bool,
        own_frontend: bool,
    ) -> Option<SessionCookie> {
        if own_frontend {
            for variable in
                ["COOKIE_NAME", "COOKIE_DOMAIN", "COOKIE_SAME_SITE", "COOKIE_SECURE", "DEVELOPMENT"]
            {
                if self.environment.variables.contains_key(variable) {
                    self.mistake(
                        variable,
                        "the program has a frontend of its own: unset it, or remove `.frontend(..)`",
                    );
                }
            }
            return None;
        }
        let name = self.text("COOKIE_NAME");
        let domain = self.text("COOKIE_DOMAIN");
        let same_site = self.same_site();
        let secure = self.flag("COOKIE_SECURE");
        // Alone, each is right or wrong by itself; what follows is about pairs.
        let fine = |cookie: SessionCookie| cookie.check(Duration::ZERO).err();
        if let Some(error) = name.as_deref().and_then(|name| fine(SessionCookie::new(name.clone())))
        {
            self.mistake("COOKIE_NAME", error);
        }
        if let Some(domain) = &domain
            && let Some(error) = fine(SessionCookie::new("id").domain(domain.as_str()))
        {
            self.mistake("COOKIE_DOMAIN", error);
        }
        if development && secure == Some(true) {
            self.mistake(
                "COOKIE_SECURE",
                format_args!("`true` contradicts {}=true: unset one", self.name("DEVELOPMENT")),
            );
        }
        let secure = secure.unwrap_or(!development);
        let culprit = if development { "DEVELOPMENT" } else { "COOKIE_SECURE" };
        let named = name.as_deref().map(String::as_str).or(struct_name).unwrap_or("__Host-id");
        // In development the prefixes go, for browsers would not take them; a name that was asked for stays.
        let used = match (&name, development) {
            (None, true) => without_prefix(named),
            _ => named,
        };
        if !secure && used != without_prefix(used) {
            self.mistake(
                culprit,
                format_args!(
                    "a browser takes the cookie `{}` over HTTPS alone: unset this, or write {}={}",
                    used.escape_debug(),
                    self.name("COOKIE_NAME"),
                    without_prefix(used).escape_debug()
                ),
            );
        }
        if same_site == Some(SameSite::None) && !secure {
            self.mistake(
                "COOKIE_SAME_SITE",
                format_args!(
                    "a browser takes `none` over HTTPS alone: write `lax`, or unset {}",
                    self.name(culprit)
                ),
            );
        }
        if domain.is_some() && secure && used.to_ascii_lowercase().starts_with("__host-") {
            self.mistake(
                "COOKIE_DOMAIN",
                format_args!(
                    "a browser takes the cookie `{}` for one host alone: unset this, or write {}=__Secure-{}",
                    used.escape_debug(),
                    self.name("COOKIE_NAME"),
                    without_prefix(used).escape_debug()
                ),
            );
        }
        let base =
            if development { SessionCookie::development() } else { SessionCookie::default() };
        let mut cookie = base.named(used.to_owned()).secure(secure);
        if let Some(same_site) = same_site {
            cookie = cookie.same_site(same_site);
        }
        if let Some(domain) = domain {
            cookie = cookie.domain(domain.as_str());
        }
        Some(cookie)
    }

    fn same_site(&mut self) -> Option<SameSite> {
        let text = self.text("COOKIE_SAME_SITE")?;
        match text.to_ascii_lowercase().as_str() {
            "lax" => Some(SameSite::Lax),
            "strict" => Some(SameSite::Strict),
            "none" => Some(SameSite::None),
            _ => {
                let fault = format!("`{}` is none of them: write", text.escape_debug());
                self.expected("COOKIE_SAME_SITE", &fault);
                None
            }
        }
    }

    fn origins(&mut self) -> Vec<String> {
        let Some(text) = self.text("TRUSTED_ORIGINS") else { return Vec::new() };
        let origins: Vec<_> = text.split(',').map(|origin| origin.trim().to_owned()).collect();
        for origin in &origins {
            if let Err(error) = crate::cross_origin::check(origin) {
                self.mistake("TRUSTED_ORIGINS", error);
            }
        }
        origins
    }
}

/// The setting that a variable was meant to be, where its name is not a setting's but nearly.
fn misspelt(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    let settings = || VARIABLES.iter().map(|(setting, _)| *setting);
    if settings().any(|setting| setting == name) {
        return None;
    }
    // One slip in a short name, two in a long one: a name of the application's own is further away.
    settings().find(|setting| distance(&upper, setting) <= if setting.len() < 8 { 1 } else { 2 })
}

/// How many characters to insert, remove, replace, or swap with their neighbour, to turn one word
/// into the other.
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

/// The name without the prefix that binds it to HTTPS (RFC 6265bis section 4.1.3).
fn without_prefix(name: &str) -> &str {
    ["__Host-Http-", "__Host-", "__Http-", "__Secure-"]
        .into_iter()
        .find_map(|prefix| {
            let (start, rest) = name.split_at_checked(prefix.len())?;
            start.eq_ignore_ascii_case(prefix).then_some(rest)
        })
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("ANCHOR_KEYS", "eHkwRmY0dTVqS3ZtUTh6TG5XcVJ0Qm9DMWlIZGFHMlU=");

    fn read(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        Environment::of("ANCHOR", variables.iter().copied()).read(None, false, false)
    }

    /// The mistakes of an environment that has a key besides.
    fn mistakes(variables: &[(&str, &str)]) -> String {
        let variables: Vec<_> = variables.iter().copied().chain([KEY]).collect();
        read(&variables).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn cookie(variables: &[(&str, &str)], of_struct: Option<&'static str>) -> SessionCookie {
        let variables = variables.iter().copied().chain([KEY]);
        let settings = Environment::of("ANCHOR", variables).read(of_struct, false, false).unwrap();
        let cookie = settings.cookie.unwrap();
        cookie.check(Duration::from_secs(60)).unwrap();
        cookie
    }

    #[test]
    fn a_key_is_all_that_it_takes() {
        let settings = read(&[KEY, ("PATH", "/bin"), ("ANCHORAGE", "x"), ("ANCHOR", "x")]).unwrap();
        assert!(settings.keys.is_some() && settings.trusted_origins.is_empty());
        assert_eq!(settings.cookie.unwrap().channel(), "cookie:__Host-id");
        let error = read(&[]).err().unwrap().to_string();
        assert!(error.starts_with("ANCHOR_KEYS: it is not set: write the signing keys"), "{error}");
    }

    #[test]
    fn every_setting_reaches_the_cookie() {
        let cookie = cookie(
            &[
                ("ANCHOR_COOKIE_NAME", "__Secure-app"),
                ("ANCHOR_COOKIE_DOMAIN", "example.com"),
                ("ANCHOR_COOKIE_SAME_SITE", "Strict"),
                ("ANCHOR_COOKIE_SECURE", "true"),
                ("ANCHOR_TRUSTED_ORIGINS", "https://a.example.com, https://b.example.com"),
                ("ANCHOR_DEVELOPMENT", "false"),
            ],
            None,
        );
        let expected =
            SessionCookie::new("__Secure-app").domain("example.com").same_site(SameSite::Strict);
        assert_eq!(format!("{cookie:?}"), format!("{expected:?}"));
    }

    #[test]
    fn development_needs_no_key_and_drops_the_prefixes() {
        let settings = read(&[("ANCHOR_DEVELOPMENT", "true")]).unwrap();
        assert!(settings.keys.is_some());
        assert_eq!(settings.cookie.unwrap().channel(), "cookie:id");
        let development = ("ANCHOR_DEVELOPMENT", "true");
        assert_eq!(cookie(&[development], Some("__Host-admin")).channel(), "cookie:admin");
        let named = [development, ("ANCHOR_COOKIE_NAME", "dev")];
        assert_eq!(cookie(&named, Some("__Host-admin")).channel(), "cookie:dev");
    }

    #[test]
    fn each_mistake_names_its_variable_and_what_to_write() {
        for (variables, message) in [
            (
                &[("ANCHOR_COOKIE_SAMESITE", "lax")][..],
                "ANCHOR_COOKIE_SAMESITE: no such setting; did you mean ANCHOR_COOKIE_SAME_SITE?",
            ),
            (&[("ANCHOR_KEY", "x")], "did you mean ANCHOR_KEYS? If the variable is not anchor's, "),
            (&[("ANCHOR_KYES", "x")], "choose another prefix than `ANCHOR`"),
            (&[("ANCHOR_keys", "x")], "did you mean ANCHOR_KEYS?"),
            (&[("ANCHOR_TRUSTED_ORIGIN", "x")], "did you mean ANCHOR_TRUSTED_ORIGINS?"),
            (&[("ANCHOR_DEVELOPEMENT", "1")], "did you mean ANCHOR_DEVELOPMENT?"),
            (&[("ANCHOR_COOKIE_DOAMINS", "x")], "did you mean ANCHOR_COOKIE_DOMAIN?"),
            (
                &[("ANCHOR_DEVELOPMENT", "yes")],
                "ANCHOR_DEVELOPMENT: `yes` is neither: write `true` or `false`",
            ),
            (
                &[("ANCHOR_COOKIE_SECURE", "")],
                "ANCHOR_COOKIE_SECURE: it is empty: unset it, or write `true` or `false`",
            ),
            (
                &[("ANCHOR_COOKIE_SAME_SITE", "loose")],
                "ANCHOR_COOKIE_SAME_SITE: `loose` is none of them: write `lax`",
            ),
            (
                &[("ANCHOR_COOKIE_NAME", "a b")],
                "ANCHOR_COOKIE_NAME: cookie `a b`: the name must be a token",
            ),
            (
                &[("ANCHOR_COOKIE_DOMAIN", "https://example.com"), ("ANCHOR_COOKIE_NAME", "id")],
                "ANCHOR_COOKIE_DOMAIN: cookie `id`: `https://example.com` is no domain",
            ),
            (
                &[("ANCHOR_COOKIE_DOMAIN", "example.com")],
                "ANCHOR_COOKIE_DOMAIN: a browser takes the cookie `__Host-id` for one host alone: unset this, or write ANCHOR_COOKIE_NAME=__Secure-id",
            ),
            (
                &[("ANCHOR_COOKIE_SECURE", "false")],
                "ANCHOR_COOKIE_SECURE: a browser takes the cookie `__Host-id` over HTTPS alone: unset this, or write ANCHOR_COOKIE_NAME=id",
            ),
            (
                &[("ANCHOR_DEVELOPMENT", "true"), ("ANCHOR_COOKIE_NAME", "__host-x")],
                "ANCHOR_DEVELOPMENT: a browser takes the cookie `__host-x` over HTTPS alone: unset this, or write ANCHOR_COOKIE_NAME=x",
            ),
            (
                &[("ANCHOR_DEVELOPMENT", "true"), ("ANCHOR_COOKIE_SECURE", "true")],
                "ANCHOR_COOKIE_SECURE: `true` contradicts ANCHOR_DEVELOPMENT=true: unset one",
            ),
            (
                &[("ANCHOR_DEVELOPMENT", "true"), ("ANCHOR_COOKIE_SAME_SITE", "none")],
                "ANCHOR_COOKIE_SAME_SITE: a browser takes `none` over HTTPS alone: write `lax`, or unset ANCHOR_DEVELOPMENT",
            ),
            (
                &[("ANCHOR_TRUSTED_ORIGINS", "https://a.example.com,b.example.com")],
                "ANCHOR_TRUSTED_ORIGINS: trusted origin `b.example.com`: write scheme",
            ),
            (
                &[("ANCHOR_TRUSTED_ORIGINS", "https://a.example.com,")],
                "ANCHOR_TRUSTED_ORIGINS: trusted origin ``: write scheme",
            ),
        ] {
            let found = mistakes(variables);
            assert!(found.contains(message), "{found}");
            assert!(!found.contains('\n'), "one mistake, one message: {found}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_no_secret() {
        let found = read(&[
            ("ANCHOR_KEYS", "hunter2"),
            ("ANCHOR_COOKIE_NAME", "a;b"),
            ("ANCHOR_KEYZ", "hunter3"),
            ("ANCHOR_DEVELOPMENT", "1"),
        ]);
        let found = found.err().unwrap().to_string();
        assert!(found.starts_with("4 mistakes in the environment:\n- ANCHOR_KEYZ: "), "{found}");
        for variable in ["KEYS", "COOKIE_NAME", "KEYZ", "DEVELOPMENT"] {
            assert!(found.contains(&format!("- ANCHOR_{variable}: ")), "{variable}: {found}");
        }
        assert!(!found.contains("hunter"), "{found}");
        let environment = Environment::of("ANCHOR", [KEY]);
        assert!(!format!("{environment:?}").contains(KEY.1));
    }

    #[test]
    fn a_variable_that_is_nothing_like_a_setting_is_left_alone() {
        for name in [
            "DIALECT",
            "MIGRATE",
            "TEST_POSTGRES_URL",
            "PORT",
            "PORT_80_TCP_ADDR",
            "SERVICE_HOST",
            "SERVICE_PORT",
            "COOKIE",
            "KEY_FILE",
            "MONKEYS",
            "DOMAIN",
            "",
            "ß",
        ] {
            assert_eq!(mistakes(&[(&format!("ANCHOR_{name}"), "x")]), "", "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_unicode_is_told() {
        use std::os::unix::ffi::OsStringExt;
        let key = (OsString::from(KEY.0), OsString::from(KEY.1));
        let name = (OsString::from("ANCHOR_COOKIE_NAME"), OsString::from_vec(vec![0xff]));
        let environment = Environment::of("ANCHOR", [key, name]);
        let error = environment.read(None, false, false).err().unwrap().to_string();
        assert!(error.starts_with("ANCHOR_COOKIE_NAME: its value is not Unicode"), "{error}");
    }

    #[test]
    fn what_the_program_sets_itself_is_not_set_twice() {
        let read = |variables: &[(&str, &str)]| {
            let environment = Environment::of("ANCHOR", variables.iter().copied());
            environment.read(None, true, true)
        };
        let settings = read(&[("ANCHOR_TRUSTED_ORIGINS", "https://a.example.com")]).unwrap();
        assert!(settings.keys.is_none() && settings.cookie.is_none());
        assert_eq!(settings.trusted_origins, ["https://a.example.com"]);
        let found = read(&[KEY, ("ANCHOR_COOKIE_NAME", "id")]).err().unwrap().to_string();
        assert!(found.contains("ANCHOR_KEYS: the program has keys of its own"), "{found}");
        assert!(found.contains("ANCHOR_COOKIE_NAME: the program has a frontend"), "{found}");
    }
}
