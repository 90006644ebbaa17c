//! The one page: a login form, or the account.

use anchor::prelude::*;
use anchor::store::Record;

use crate::UserSession;

/// Returns the page for a visitor without a session. After a wrong password, it keeps the name that
/// was typed.
pub(crate) fn login(username: &str, error: Option<&str>) -> String {
    let error = error
        .map_or_else(String::new, |text| format!("<p class=error role=alert>{}</p>", escape(text)));
    let (name_focus, password_focus) =
        if username.is_empty() { ("autofocus", "") } else { ("", "autofocus") };
    document(&format!(
        "<h1>Log in</h1>
         <p class=hint>The demo user is <code>ferris</code>, the password \
         <code>rustacean</code>.</p>
         {error}
         <form method=post action=/login>
           <label>Username <input name=username value=\"{}\" autocomplete=username required \
           {name_focus}></label>
           <label>Password <input name=password type=password autocomplete=current-password \
           required {password_focus}></label>
           <button>Log in</button>
         </form>",
        escape(username)
    ))
}

/// Returns the page for a user: who they are, on which devices they are logged in, and a button to
/// end each of them. The forms need no script.
pub(crate) fn account(session: &Session<UserSession>, all: &[Record<UserSession>]) -> String {
    let rows: String = all
        .iter()
        .map(|record| {
            let id = record.id;
            let device = record.client.clone().unwrap_or_default().device();
            let end = if id == session.id() {
                "<b>this device</b>".to_owned()
            } else {
                format!("<form method=post action=/devices/{id}/end><button>End</button></form>")
            };
            format!(
                "<tr><td>{device}</td><td>{}</td><td>{}</td><td>{end}</td></tr>",
                minutes(record.last_seen_at),
                minutes(record.created_at),
            )
        })
        .collect();
    document(&format!(
        "<h1>Hello, {}</h1>
         <p class=hint>You are logged in on these devices:</p>
         <div class=scroll><table>
           <thead><tr><th>Device</th><th>Last seen</th><th>Since</th><th></th></tr></thead>
           <tbody>{rows}</tbody>
         </table></div>
         <div class=buttons>
           <form method=post action=/logout><button>Log out</button></form>
           <form method=post action=/logout/others><button>Log out elsewhere</button></form>
           <form method=post action=/logout/all><button>Log out everywhere</button></form>
         </div>",
        escape(&session.username)
    ))
}

/// Formats a timestamp to the minute: `2026-01-31 12:34 UTC`.
fn minutes(time: anchor::Timestamp) -> String {
    time.to_string()[..16].replace('T', " ") + " UTC"
}

fn document(body: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8>
         <meta name=viewport content=\"width=device-width, initial-scale=1\">
         <title>anchor quickstart</title><style>{STYLE}</style><main>{body}</main></html>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "
    :root { color-scheme: light dark; --accent: light-dark(#0b6b5d, #4cc9b0); --line: \
    light-dark(#dfe3e6, #33393f) }
    * { box-sizing: border-box }
    body { margin: 0; min-height: 100vh; display: grid; grid-template-columns: minmax(0, 1fr);
           place-items: center; padding: 1rem;
           font: 16px/1.5 system-ui, sans-serif; background: light-dark(#f4f6f7, #15181b); color: \
           light-dark(#1c2226, #e7ebee) }
    main { width: min(100%, 56rem); min-width: 0; overflow-wrap: anywhere; padding: 2rem;
           border: 1px solid var(--line); border-radius: 12px;
           background: light-dark(#fff, #1d2125) }
    main:has(label) { max-width: 24rem }
    h1 { margin: 0 0 .25rem; font-size: 1.5rem }
    .hint { margin: 0 0 1.25rem; opacity: .75 }
    .error { padding: .5rem .75rem; border-radius: 8px; background: light-dark(#fdecec, #4a2327) }
    label { display: block; margin-bottom: .9rem; font-weight: 600 }
    input { display: block; width: 100%; min-height: 44px; margin-top: .25rem; \
    padding: .55rem .7rem; font: inherit; \
    color: inherit; background: transparent;
            border: 1px solid var(--line); border-radius: 8px }
    button { min-height: 44px; padding: .55rem 1.2rem; font: inherit; font-weight: 600; \
             border: 0; border-radius: 8px; cursor: pointer;
             color: light-dark(#fff, #10201d); background: var(--accent) }
    .scroll { overflow-x: auto; margin-bottom: 1.25rem }
    table { width: 100%; border-collapse: collapse; font-size: .9rem }
    th, td { padding: .5rem .6rem .5rem 0; text-align: left; border-bottom: 1px solid var(--line); \
    white-space: nowrap }
    code { font-size: .85em }
    td form { margin: 0 }
    td button { padding: .2rem .9rem }
    .buttons { display: flex; flex-wrap: wrap; gap: .75rem }
    b { color: var(--accent) }
    @media (max-width: 40rem) {
      main { padding: 1.25rem }
      th, td { white-space: normal }
      th:nth-child(3), td:nth-child(3) { display: none }
      .buttons form, .buttons button { width: 100% }
    }
";
