//! The page that a browser shows for a [`Rejection`], instead of JSON.

use http::StatusCode;

use super::{Error, Rejection};

impl Rejection {
    /// Returns a small page without any external resource. It says no more than the JSON does: one
    /// text for all 401 cases.
    pub(super) fn page(&self) -> String {
        let (title, text) = self.explained();
        let message = self
            .public_message()
            .map_or_else(String::new, |message| format!("<p>{}</p>", escape(&message)));
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <h1>{title}</h1>\n<p>{text}</p>\n{message}\
             <p><small>{status} <code>{code}</code></small></p>\n</body>\n</html>\n",
            status = self.status().as_u16(),
            code = self.public_code(),
        )
    }

    /// Returns what a visitor should know, as a title and a sentence.
    fn explained(&self) -> (&'static str, &'static str) {
        match self {
            Rejection::Forbidden { .. } => ("Not allowed", "Your account may not do this."),
            Rejection::ReauthenticationRequired { .. } => {
                ("Please log in again", "This needs a recent login. Log in, then try again.")
            }
            Rejection::CrossOrigin { .. } => (
                "Request refused",
                "The request seems to come from another site. If you sent it from here, go back, \
                 load the page again, and try once more.",
            ),
            Rejection::LogoutBySafeMethod { .. } => {
                ("You are still logged in", "This address does not log out by a link.")
            }
            Rejection::Operation(Error::TooManySessions) => (
                "Too many logins",
                "You are logged in on as many devices as you may. Log out on one of them first.",
            ),
            Rejection::Operation(Error::SecretReplaced { .. }) => {
                ("Please try again", "Something changed in the meantime.")
            }
            other => match other.status() {
                StatusCode::UNAUTHORIZED => (
                    "Please log in",
                    "You are not logged in, or your session has ended. Log in, then try again.",
                ),
                StatusCode::SERVICE_UNAVAILABLE => (
                    "Not available at the moment",
                    "Your session could not be checked or changed. Try again in a moment.",
                ),
                StatusCode::CONFLICT => ("That did not work", "What you sent was refused."),
                _ => ("Something went wrong", "The application could not answer."),
            },
        }
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

const STYLE: &str = ":root{color-scheme:light dark}\
    body{max-width:36rem;margin:15vh auto;padding:0 1rem;font:1.1rem/1.5 system-ui,sans-serif}\
    small{opacity:.7}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_no_resource_and_shows_what_the_json_shows() {
        let layer = Rejection::MissingLayer { payload: "shop::sessions::User<'a, \"&\">" };
        let page = layer.page();
        assert!(page.contains("<h1>Something went wrong</h1>"), "{page}");
        assert!(page.contains("User&lt;&#39;a, &quot;&amp;&quot;&gt;"), "{page}");
        assert!(!page.contains("shop::"), "{page}");
        assert!(page.contains("500 <code>missing_layer</code>"), "{page}");
        for tag in ["src=", "href=", "url(", "http", "<script", "<link", "<img"] {
            assert!(!page.contains(tag), "{tag}: {page}");
        }
        assert_eq!(
            Rejection::NoSession.page(),
            Rejection::BadToken(crate::token::BadToken::Key).page()
        );
    }
}
