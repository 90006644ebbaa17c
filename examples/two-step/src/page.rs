//! The pages. Their forms need no script.

use axum::response::Html;

/// Returns the page for a visitor, or for a user.
pub(crate) fn home(user_id: Option<i64>) -> Html<String> {
    document(&match user_id {
        Some(user_id) => format!(
            "<h1>You are user {user_id}</h1>
             <form method=post action=/logout><button>Log out</button></form>"
        ),
        None => PASSWORD.to_owned(),
    })
}

/// Returns the first step, after it has failed.
pub(crate) fn wrong_password() -> Html<String> {
    document(&format!("<p role=alert>Wrong name or password.</p>{PASSWORD}"))
}

/// Returns the second step, with what was wrong about the last code.
pub(crate) fn code(error: Option<&str>) -> Html<String> {
    let error = error.map_or_else(String::new, |text| format!("<p role=alert>{text}</p>"));
    document(&format!("{error}{CODE}"))
}

const PASSWORD: &str = "<h1>Log in</h1>
    <form method=post action=/login>
      <label>Name <input name=name autocomplete=username required autofocus></label>
      <label>Password <input name=password type=password autocomplete=current-password required>
      </label>
      <button>Next</button>
    </form>";

const CODE: &str = "<h1>One more step</h1>
    <form method=post action=/login/code>
      <label>Code of your authenticator app
        <input name=code inputmode=numeric autocomplete=one-time-code required autofocus></label>
      <button>Log in</button>
    </form>";

fn document(body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8>
         <meta name=viewport content=\"width=device-width, initial-scale=1\">
         <title>Two steps</title>
         <style>:root {{ color-scheme: light dark }}
           body {{ max-width: 24rem; margin: 4rem auto; padding: 0 1rem; font: 16px/1.5 \
         system-ui, sans-serif }}
           label, input, button {{ display: block; margin: .5rem 0; font: inherit }}</style>
         {body}</html>"
    ))
}
