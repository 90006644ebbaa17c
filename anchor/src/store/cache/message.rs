//! [`Message`]: what the managers of several nodes tell one another, as a line of text.
//!
//! `1 7f3c9a5e0b1d2c44 session=0190163d-8694-739b-aea5-966c26f8ad91`: the format's version, the
//! sender, and what has changed.

use std::fmt;

use super::stale::{Stale, SubjectTag};

const VERSION: &str = "1";

const EVERYONE: &str = "everyone";

/// A message of the manager `sender`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) sender: u64,
    pub(crate) content: Content,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The sender asks itself whether its messages arrive.
    Hello(u64),
    Stale(Vec<Stale>),
}

impl Message {
    /// The sender of a message that every node applies, also the one that sent it.
    pub(crate) const NOBODY: u64 = 0;

    /// Reads a message. One that this version does not understand may mean anything.
    pub(crate) fn read(text: &str) -> Self {
        Self::parse(text).unwrap_or(Self {
            sender: Self::NOBODY,
            content: Content::Stale(vec![Stale::Everyone]),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        if words.next()? != VERSION {
            return None;
        }
        let sender = number(words.next()?)?;
        let mut stale = Vec::new();
        for word in words {
            stale.push(match word.split_once('=') {
                Some(("hello", count)) => {
                    return Some(Self { sender, content: Content::Hello(number(count)?) });
                }
                Some(("session", id)) => Stale::Session(id.parse().ok()?),
                Some(("subject", tag)) => {
                    Stale::Subject(SubjectTag(u32::from_str_radix(tag, 16).ok()?))
                }
                None if word == EVERYONE => Stale::Everyone,
                _ => return None,
            });
        }
        (!stale.is_empty()).then_some(Self { sender, content: Content::Stale(stale) })
    }
}

fn number(hex: &str) -> Option<u64> {
    u64::from_str_radix(hex, 16).ok()
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION} {:016x}", self.sender)?;
        let stale = match &self.content {
            Content::Hello(count) => return write!(f, " hello={count:x}"),
            Content::Stale(stale) => stale,
        };
        for stale in stale {
            match stale {
                Stale::Session(id) | Stale::Use(id) => write!(f, " session={id}")?,
                Stale::Subject(SubjectTag(tag)) => write!(f, " subject={tag:08x}")?,
                Stale::Everyone => write!(f, " {EVERYONE}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::SessionId;

    const ID: SessionId =
        SessionId::from_uuid(Uuid::from_u128(0x0190_163d_8694_739b_aea5_966c_26f8_ad91));

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let stale = vec![Stale::Session(ID), Stale::Subject(SubjectTag(0xbeef))];
        for (content, text) in [
            (Content::Hello(17), "1 00000000000000ff hello=11"),
            (
                Content::Stale(stale),
                "1 00000000000000ff session=0190163d-8694-739b-aea5-966c26f8ad91 subject=0000beef",
            ),
            (Content::Stale(vec![Stale::Everyone]), "1 00000000000000ff everyone"),
        ] {
            let message = Message { sender: 255, content };
            assert_eq!(message.to_string(), text);
            assert_eq!(Message::read(text), message);
        }
    }

    #[test]
    fn a_message_that_is_not_understood_means_everyone() {
        for text in [
            "",
            "1",
            "1 ff",
            "2 ff session=0190163d-8694-739b-aea5-966c26f8ad91",
            "1 ff session=0190163d",
            "1 ff session=0190163d-8694-739b-aea5-966c26f8ad91 and more",
            "1 ff subject=x",
            "1 x hello=1",
        ] {
            let content = Message::read(text).content;
            assert_eq!(content, Content::Stale(vec![Stale::Everyone]), "{text}");
        }
    }
}
