//! Messages that the next page shows, once.
//!
//! A user's and a guest's are in their session. A visitor without a session has none: there the
//! address names the message, and the page shows nothing of the address but one of these.

use serde::{Deserialize, Serialize};

/// How many messages wait for the next page at most.
const MOST: usize = 5;

/// What was done, or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message {
    Welcome { name: String, votes: u64 },
    Confirmed { name: String, votes: u64 },
    LoggedOut,
    NameChanged,
    PasswordChanged { ended: u64 },
    DeviceNamed,
    DeviceEnded,
    DeviceGone,
    OthersLoggedOut,
    VotedBefore,
    NoSession,
    Ended,
    RoleChanged { name: String },
    UserEnded { name: String, ended: u64 },
}

impl Message {
    /// Returns the message that an address names, such as `/?message=logged_out`.
    pub(crate) fn of_query(query: Option<&str>) -> Option<Self> {
        let key = query?.split('&').find_map(|pair| pair.strip_prefix("message="))?;
        match key {
            "logged_out" => Some(Self::LoggedOut),
            "no_session" => Some(Self::NoSession),
            "ended" => Some(Self::Ended),
            _ => None,
        }
    }

    /// Returns what a person reads.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Welcome { name, votes: 0 } => format!("Welcome back, {name}."),
            Self::Welcome { name, votes } => {
                format!("Welcome back, {name}. {} you gave as a guest came along.", some(*votes))
            }
            Self::Confirmed { name, votes: 0 } => {
                format!("Welcome, {name}. Your address is confirmed.")
            }
            Self::Confirmed { name, votes } => format!(
                "Welcome, {name}. Your address is confirmed. {} you gave as a guest came along.",
                some(*votes)
            ),
            Self::LoggedOut => "You are logged out.".into(),
            Self::NameChanged => "Your name is saved.".into(),
            Self::PasswordChanged { ended: 0 } => "Your password is changed.".into(),
            Self::PasswordChanged { ended } => format!(
                "Your password is changed, and {} logged out.",
                counted(*ended, "other device was", "other devices were")
            ),
            Self::DeviceNamed => "This device has its name.".into(),
            Self::DeviceEnded => "That device is logged out.".into(),
            Self::DeviceGone => "That device was logged out already.".into(),
            Self::OthersLoggedOut => "All other devices are logged out.".into(),
            Self::VotedBefore => "You have voted on those two before. That vote counts.".into(),
            Self::NoSession => {
                "That vote was not counted: your browser sent no session. Vote again, and allow \
                 cookies for this site if it asks."
                    .into()
            }
            Self::Ended => "Your session has ended. Please log in again.".into(),
            Self::RoleChanged { name } => format!("{name} has another role now."),
            Self::UserEnded { name, ended } => {
                format!("{name} is logged out: {}.", counted(*ended, "session", "sessions"))
            }
        }
    }
}

/// Adds a message to those that wait for the next page. One that waits already is shown once, and
/// the oldest ones make room: otherwise a session grows with each request of a client that sends
/// forms and never loads a page.
pub(crate) fn add(messages: &mut Vec<Message>, message: Message) {
    messages.retain(|other| *other != message);
    messages.push(message);
    let surplus = messages.len().saturating_sub(MOST);
    messages.drain(..surplus);
}

fn some(votes: u64) -> String {
    counted(votes, "vote that", "votes that")
}

fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_messages_wait_and_each_of_them_once() {
        let mut messages = Vec::new();
        for n in 0..400 {
            add(&mut messages, Message::UserEnded { name: "Ann".into(), ended: n });
            add(&mut messages, Message::VotedBefore);
        }
        assert_eq!(messages.len(), MOST);
        assert_eq!(messages.iter().filter(|one| **one == Message::VotedBefore).count(), 1);
        assert_eq!(messages.last(), Some(&Message::VotedBefore));
        let newest = Message::UserEnded { name: "Ann".into(), ended: 399 };
        assert_eq!(messages.iter().rev().nth(1), Some(&newest));
    }
}
