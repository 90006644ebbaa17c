//! E-mails: over SMTP, or as files in a folder.

use std::sync::Arc;

use lettre::message::Mailbox;
use lettre::{
    Address, AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
};

use crate::config::Config;

/// Sends e-mails. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Mailer {
    from: Mailbox,
    transport: Transport,
}

#[derive(Clone)]
enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    /// Each e-mail is a file, and its link is in the log: for the developer's own machine.
    Folder(Arc<AsyncFileTransport<Tokio1Executor>>),
}

type MailError = Box<dyn std::error::Error + Send + Sync>;

impl Mailer {
    pub(crate) fn new(config: &Config) -> Result<Self, MailError> {
        let from = config.mail_from.parse().map_err(|error| format!("MAIL_FROM: {error}"))?;
        let transport = match &config.smtp_url {
            Some(url) => Transport::Smtp(
                AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
                    .map_err(|error| format!("SMTP_URL: {error}"))?
                    .build(),
            ),
            None if config.is_local() => {
                std::fs::create_dir_all(&config.outbox)?;
                Transport::Folder(Arc::new(AsyncFileTransport::new(&config.outbox)))
            }
            None => return Err("SMTP_URL is not set: users could not confirm an address".into()),
        };
        Ok(Self { from, transport })
    }

    /// Returns the address, if a message can be sent to it. lettre's `Address` takes more than its
    /// messages do, such as `"a b"@example.com`, so one is made for it. Only ASCII, because not
    /// every server sends to other addresses. Browsers write the domain of an `<input type=email>`
    /// in ASCII, and accept nothing else before the `@`.
    pub(crate) fn recipient(&self, email: &str) -> Option<Address> {
        let is_plain = email.chars().all(|c| c.is_ascii() && !c.is_ascii_control());
        let address: Address = email.parse().ok().filter(|_| is_plain)?;
        let message = self.message(&address, "", String::new()).ok()?;
        (message.envelope().to() == [address.clone()]).then_some(address)
    }

    /// Asks whoever has this address to confirm it.
    pub(crate) async fn confirm(&self, to: &Address, link: &str) -> Result<(), MailError> {
        let text = format!(
            "Hello,\n\nsomebody, probably you, has registered this address at Thinga. To confirm \
             it, open\n\n{link}\n\nwithin a day, and type the password that you have chosen.\n\nIf \
             it was not you, do nothing: there is no account then.\n"
        );
        if matches!(self.transport, Transport::Folder(_)) {
            tracing::info!("to confirm {to}, open {link}");
        }
        self.send(to, "Confirm your address", text).await
    }

    /// Tells whoever has this address that it has an account already. The page says the same as for
    /// a new address, so that it does not tell who has an account.
    pub(crate) async fn has_account(&self, to: &Address, link: &str) -> Result<(), MailError> {
        let text = format!(
            "Hello,\n\nsomebody, probably you, has registered this address at Thinga, and it has \
             an account already. To log in, open\n\n{link}\n\nIf it was not you, do nothing.\n"
        );
        self.send(to, "You have an account already", text).await
    }

    fn message(&self, to: &Address, subject: &str, text: String) -> Result<Message, MailError> {
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(subject)
            .body(text)?;
        Ok(message)
    }

    async fn send(&self, to: &Address, subject: &str, text: String) -> Result<(), MailError> {
        let message = self.message(to, subject, text)?;
        match &self.transport {
            Transport::Smtp(smtp) => drop(smtp.send(message).await?),
            Transport::Folder(folder) => drop(folder.send(message).await?),
        }
        Ok(())
    }
}
