//! [`Environment`]: a manager's settings from environment variables. Every mistake in them is
//! reported at the start, all at once.

mod cookie_variables;
mod near_miss;
#[cfg(any(test, feature = "_fuzz"))]
pub(crate) mod properties;
mod reader;

use std::ffi::OsString;
use std::{env, fmt};

use zeroize::Zeroizing;

use crate::error::ConfigError;
use crate::frontend::SessionCookie;
use crate::manager::cross_origin;
use crate::token::keys::KeyRing;
use reader::{Reader, Variables};

/// The settings of a [`SessionManager`](crate::SessionManager) in environment variables, for
/// [`SessionManagerBuilder::environment`](crate::manager::SessionManagerBuilder::environment).
///
/// | variable | takes | without it |
/// | --- | --- | --- |
/// | `ANCHOR_KEYS` | signing keys in base64, newest first, separated by commas | an error; in development, a key for this run |
/// | `ANCHOR_COOKIE_NAME` | the cookie's name | the struct's `#[session(cookie = "..")]`, or `__Host-id` |
/// | `ANCHOR_COOKIE_DOMAIN` | `example.com`: every subdomain receives the token | only this host |
/// | `ANCHOR_COOKIE_SAME_SITE` | `lax`, `strict` or `none` | `lax` |
/// | `ANCHOR_COOKIE_SECURE` | `true` or `false` | `true` |
/// | `ANCHOR_TRUSTED_ORIGINS` | origins whose pages may send requests, separated by commas | the application's own |
/// | `ANCHOR_DEVELOPMENT` | `true`: a cookie for plain HTTP, with a warning in the log | `false` |
///
/// A variable whose name is almost the name of a setting is an error, and the message suggests the
/// setting. Otherwise a misspelt setting would silently be missing. Such a name has a typing error
/// (`ANCHOR_KYES`), consists of some of the setting's words (`ANCHOR_SAMESITE`, `ANCHOR_DEV`), or
/// continues after them (`ANCHOR_KEYS_FILE`). The same applies to any other name that begins with
/// `ANCHOR_COOKIE`. Any other variable with the prefix does not belong to anchor and is ignored,
/// such as the `ANCHOR_PORT` that Kubernetes sets for a service named `anchor`, or a variable of
/// the application. A setting that is empty is an error. All mistakes are reported at once, each
/// with its variable and with what to write.
///
/// `Debug` shows the names of the variables, but no value.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use anchor::Environment;
///
/// // `Environment::of_process("ANCHOR")` in an application.
/// let environment = Environment::of("ANCHOR", [("ANCHOR_KYES", "c2VjcmV0")]);
/// let mistakes = SessionManager::<UserSession>::builder(MemoryStore::new())
///     .environment(environment)
///     .build()
///     .unwrap_err();
/// assert!(mistakes.to_string().contains("ANCHOR_KEYS"));
/// ```
#[derive(Clone)]
pub struct Environment {
    prefix: String,
    variables: Variables,
}

impl Environment {
    /// Takes this process's variables whose names begin with the prefix and an underscore, such as
    /// `ANCHOR_KEYS` for `ANCHOR`.
    ///
    /// Two managers need two prefixes, and neither may be the beginning of the other. For example:
    /// `USER` and `ADMIN`.
    ///
    /// ```
    /// use anchor::Environment;
    ///
    /// let users = Environment::of_process("USER");
    /// let administrators = Environment::of_process("ADMIN");
    /// ```
    pub fn of_process(prefix: &str) -> Self {
        Self::of(prefix, env::vars_os())
    }

    /// Takes the variables from another source, such as a test or a file.
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

    /// Reads all variables, for a payload whose struct names this cookie. `own_keys` and
    /// `own_frontend` say what the program has set itself.
    pub(crate) fn read(
        &self,
        cookie: Option<&'static str>,
        own_keys: bool,
        own_frontend: bool,
    ) -> Result<Settings, ConfigError> {
        let mut reader = Reader::new(&self.prefix, &self.variables);
        let development = reader.flag("DEVELOPMENT").unwrap_or(false);
        let keys = keys(&mut reader, development, own_keys);
        let cookie = if own_frontend {
            cookie_variables::refuse(&mut reader);
            None
        } else {
            Some(cookie_variables::read(&mut reader, cookie, development))
        };
        let trusted_origins = origins(&mut reader);
        reader.finish()?;
        Ok(Settings { keys, cookie, trusted_origins })
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

/// The settings that an environment contains.
pub(crate) struct Settings {
    pub(crate) keys: Option<KeyRing>,
    pub(crate) cookie: Option<SessionCookie>,
    pub(crate) trusted_origins: Vec<String>,
}

fn keys(reader: &mut Reader<'_>, development: bool, own: bool) -> Option<KeyRing> {
    if !reader.is_set("KEYS") {
        if development && !own {
            tracing::warn!(
                target: "anchor",
                "development: sessions are signed with a key made for this run, and end with it"
            );
            return KeyRing::generate().map_err(|error| reader.mistake("KEYS", error)).ok();
        }
        if !own {
            reader.expected("KEYS", "it is not set: write");
        }
        return None;
    }
    let text = reader.text("KEYS")?;
    if own {
        reader.mistake("KEYS", "the program sets its own keys: unset this, or remove `.keys(..)`");
        return None;
    }
    KeyRing::parse(&text).map_err(|error| reader.mistake("KEYS", error)).ok()
}

fn origins(reader: &mut Reader<'_>) -> Vec<String> {
    let Some(text) = reader.text("TRUSTED_ORIGINS") else { return Vec::new() };
    let origins: Vec<_> = text.split(',').map(|origin| origin.trim().to_owned()).collect();
    for origin in &origins {
        if let Err(error) = cross_origin::check(origin) {
            reader.mistake("TRUSTED_ORIGINS", error);
        }
    }
    origins
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::frontend::{Frontend, SameSite};

    const KEY: (&str, &str) = ("ANCHOR_KEYS", "eHkwRmY0dTVqS3ZtUTh6TG5XcVJ0Qm9DMWlIZGFHMlU=");

    const OF_THE_COOKIE: &str = "COOKIE_NAME or ANCHOR_COOKIE_DOMAIN or ANCHOR_COOKIE_SAME_SITE or \
         ANCHOR_COOKIE_SECURE";

    fn read(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        Environment::of("ANCHOR", variables.iter().copied()).read(None, false, false)
    }

    /// Returns the mistakes of an environment that also has a key.
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
                "ANCHOR_DEVELOPMENT: `yes` is not valid: write `true` or `false`",
            ),
            (
                &[("ANCHOR_COOKIE_SECURE", "")],
                "ANCHOR_COOKIE_SECURE: it is empty: unset it, or write `true` or `false`",
            ),
            (
                &[("ANCHOR_COOKIE_SAME_SITE", "loose")],
                "ANCHOR_COOKIE_SAME_SITE: `loose` is not a valid value: write `lax`",
            ),
            (
                &[("ANCHOR_COOKIE_NAME", "a b")],
                "ANCHOR_COOKIE_NAME: cookie `a b`: the name must be a token",
            ),
            (
                &[("ANCHOR_COOKIE_DOMAIN", "https://example.com"), ("ANCHOR_COOKIE_NAME", "id")],
                "ANCHOR_COOKIE_DOMAIN: `https://example.com` is not a domain",
            ),
            (
                &[("ANCHOR_COOKIE_DOMAIN", "example.com")],
                "ANCHOR_COOKIE_DOMAIN: a browser accepts the cookie `__Host-id` only for one host: \
                 unset this, or write ANCHOR_COOKIE_NAME=__Secure-id",
            ),
            (
                &[("ANCHOR_COOKIE_SECURE", "false")],
                "ANCHOR_COOKIE_SECURE: a browser accepts the cookie `__Host-id` only over HTTPS: \
                 unset this, or write ANCHOR_COOKIE_NAME=id",
            ),
            (
                &[("ANCHOR_DEVELOPMENT", "true"), ("ANCHOR_COOKIE_NAME", "__host-x")],
                "ANCHOR_DEVELOPMENT: a browser accepts the cookie `__host-x` only over HTTPS: \
                 unset this, or write ANCHOR_COOKIE_NAME=x",
            ),
            (
                &[("ANCHOR_DEVELOPMENT", "true"), ("ANCHOR_COOKIE_SECURE", "true")],
                "ANCHOR_COOKIE_SECURE: `true` contradicts ANCHOR_DEVELOPMENT=true: unset one of \
                 them",
            ),
            (
                &[("ANCHOR_DEVELOPMENT", "true"), ("ANCHOR_COOKIE_SAME_SITE", "none")],
                "ANCHOR_COOKIE_SAME_SITE: a browser accepts `none` only over HTTPS: write `lax`, \
                 or unset ANCHOR_DEVELOPMENT",
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
    fn a_name_that_is_almost_a_settings_suggests_the_setting() {
        for (name, meant) in [
            ("SAME_SITE", "COOKIE_SAME_SITE"),
            ("SAMESITE", "COOKIE_SAME_SITE"),
            ("SITE_SAME", "COOKIE_SAME_SITE"),
            ("SECURE", "COOKIE_SECURE"),
            ("SECURE_COOKIES", "COOKIE_SECURE"),
            ("COOKIE_SECURE_ONLY", "COOKIE_SECURE"),
            ("DOMAIN", "COOKIE_DOMAIN"),
            ("DOMAINS", "COOKIE_DOMAIN"),
            ("NAME_COOKIE", "COOKIE_NAME"),
            ("DEV", "DEVELOPMENT"),
            ("DEVELOP", "DEVELOPMENT"),
            ("DEVELOPMENT_MODE", "DEVELOPMENT"),
            ("ORIGINS", "TRUSTED_ORIGINS"),
            ("ORIGIN", "TRUSTED_ORIGINS"),
            ("ORIGINS_TRUSTED", "TRUSTED_ORIGINS"),
            ("KEYS_FILE", "KEYS"),
            ("KEY_FILE", "KEYS"),
            ("SECRET", "KEYS"),
            ("COOKIE_SECRET", "KEYS"),
            ("COOKIE_KEYS", "KEYS"),
            ("COOKIE", OF_THE_COOKIE),
            ("COOKIE_PATH", OF_THE_COOKIE),
        ] {
            let found = mistakes(&[(&format!("ANCHOR_{name}"), "x")]);
            let message =
                format!("ANCHOR_{name}: no such setting; did you mean ANCHOR_{meant}? If");
            assert!(found.starts_with(&message), "{found}");
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
            "BLESS",
            "TEST_POSTGRES_URL",
            "TEST_COOKIE",
            "TEST_KEY_FOLDER",
            "PORT",
            "PORT_8080_TCP",
            "PORT_80_TCP_ADDR",
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_HTTP",
            "SERVICE_PORT_SECURE",
            "COOKIE_PORT_80_TCP",
            "DEV_SERVICE_HOST",
            "DEVICE_LIMIT",
            "SITE_URL",
            "KEYCLOAK_URL",
            "MONKEYS",
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
        assert!(found.contains("ANCHOR_KEYS: the program sets its own keys"), "{found}");
        assert!(found.contains("ANCHOR_COOKIE_NAME: the program sets its own frontend"), "{found}");
    }
}
