//! One conversation with a mail server, and what its answers mean for the message.
//!
//! What a server says in words is kept out of every failure: it may say back what it was told, the password or the personal
//! link among it. Its codes are enough.

use std::net::SocketAddr;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use signoff_egress::{Egress, EgressError};
use tokio::time::{Instant, timeout, timeout_at};

use super::compose::Mail;
use super::connection::Wire;
use crate::deliver::{DELIVERY_TIMEOUT, DeliveryOutcome, failed};
use crate::transport::{Email, SmtpSecurity};

/// For saying goodbye, once the message is the server's.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

/// A refusal by its codes, such as `550 5.1.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// Of three digits.
    pub(super) code: u16,
    /// The enhanced one, where there is one.
    enhanced: Option<String>,
}

impl Reply {
    /// Finds the enhanced code in what follows the first.
    pub(super) fn read(code: u16, text: &str) -> Self {
        let first = text.split_whitespace().next().unwrap_or_default();
        let digits = |part: &str, max| {
            (1..=max).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let parts: Vec<&str> = first.split('.').collect();
        let is_enhanced = matches!(parts[..], [class, subject, detail]
            if digits(class, 1) && digits(subject, 3) && digits(detail, 3));
        Self {
            code,
            enhanced: is_enhanced.then(|| first.to_owned()),
        }
    }

    fn of(error: &Error) -> Option<Self> {
        let code = u16::from(error.status()?);
        let text = std::error::Error::source(error).map(ToString::to_string);
        Some(Self::read(code, text.as_deref().unwrap_or_default()))
    }

    fn is_for_good(&self) -> bool {
        self.code >= 500
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.enhanced {
            Some(enhanced) => write!(f, "{} {enhanced}", self.code),
            None => write!(f, "{}", self.code),
        }
    }
}

/// Why a conversation ended without the message being taken.
#[derive(Debug)]
pub(super) enum Stop {
    /// There was no connection.
    Egress(EgressError),
    /// It broke, or made no sense.
    Broken(&'static str),
    /// The server offers no TLS, or somebody on the way hides that it does.
    NoTls,
    /// TLS was not agreed, or the certificate is not one for this host.
    Tls(String),
    /// The server does not talk to us now.
    Greeting(Reply),
    /// There is a password, but no safe or known way to say it.
    NoSignIn(&'static str),
    /// User name or password is not the right one.
    SignIn(Reply),
    /// The sender may not send.
    Sender(Reply),
    /// No mailbox takes it.
    Recipient(Reply),
    /// The message itself is not taken.
    Content(Reply),
    /// It took longer than an attempt may.
    Late,
}

impl From<EgressError> for Stop {
    fn from(error: EgressError) -> Self {
        Self::Egress(error)
    }
}

/// Sends a mail once.
pub(super) async fn send(
    egress: &Egress,
    email: &Email,
    (from, to): (Address, Vec<Address>),
    mail: Mail,
) -> DeliveryOutcome {
    let deadline = Instant::now() + DELIVERY_TIMEOUT;
    let talk = converse(egress, email, (from, to), &mail.bytes, deadline);
    let ended = timeout_at(deadline, talk).await.unwrap_or(Err(Stop::Late));
    match ended {
        Ok(mut connection) => {
            // The message is the server's by now; whether it says goodbye changes nothing.
            let _ = timeout(QUIT_TIMEOUT, connection.quit()).await;
            DeliveryOutcome::Delivered {
                status: 250,
                reference: Some(mail.message_id),
            }
        }
        Err(stop) => outcome(stop),
    }
}

async fn converse(
    egress: &Egress,
    email: &Email,
    (from, to): (Address, Vec<Address>),
    bytes: &[u8],
    deadline: Instant,
) -> Result<AsyncSmtpConnection, Stop> {
    let wire = Wire::open(egress, email, deadline).await?;
    let hello = match wire.local() {
        SocketAddr::V4(v4) => ClientId::Ipv4(*v4.ip()),
        SocketAddr::V6(v6) => ClientId::Ipv6(*v6.ip()),
    };
    let connection = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello).await;
    let mut connection = connection.map_err(|error| stop(&error, Stop::Greeting))?;
    sign_in(&mut connection, email).await?;
    let sender = connection.command(MailFrom::new(Some(from), Vec::new())).await;
    sender.map_err(|error| stop(&error, Stop::Sender))?;
    name_recipients(&mut connection, to).await?;
    let data = connection.command(Data).await;
    data.map_err(|error| stop(&error, Stop::Content))?;
    let taken = connection.message(bytes).await;
    taken.map_err(|error| stop(&error, Stop::Content))?;
    Ok(connection)
}

async fn sign_in(connection: &mut AsyncSmtpConnection, email: &Email) -> Result<(), Stop> {
    let (Some(name), Some(password)) = (&email.username, &email.password) else {
        return Ok(());
    };
    if email.security == SmtpSecurity::None {
        return Err(Stop::NoSignIn("without TLS the password is not sent"));
    }
    let credentials = Credentials::new(name.clone(), password.clone());
    let ways = [Mechanism::Plain, Mechanism::Login];
    if connection.server_info().get_auth_mechanism(&ways).is_none() {
        return Err(Stop::NoSignIn("the mail server offers neither PLAIN nor LOGIN"));
    }
    let signed_in = connection.auth(&ways, &credentials).await;
    signed_in.map(|_| ()).map_err(|error| stop(&error, Stop::SignIn))
}

/// Goes on if one mailbox takes it: the others' refusal must not keep it from this one.
async fn name_recipients(connection: &mut AsyncSmtpConnection, to: Vec<Address>) -> Result<(), Stop> {
    let (mut is_taken, mut refusal) = (false, None);
    for address in to {
        match connection.command(Rcpt::new(address, Vec::new())).await {
            Ok(_) => is_taken = true,
            Err(error) => {
                let Some(reply) = Reply::of(&error) else {
                    return Err(stop(&error, Stop::Recipient));
                };
                // What may be taken later counts for more than what never will be.
                let is_worse = refusal.as_ref().is_none_or(Reply::is_for_good);
                if is_worse {
                    refusal = Some(reply);
                }
            }
        }
    }
    match refusal {
        Some(reply) if !is_taken => Err(Stop::Recipient(reply)),
        _ => Ok(()),
    }
}

fn stop(error: &Error, at: impl FnOnce(Reply) -> Stop) -> Stop {
    match Reply::of(error) {
        Some(reply) => at(reply),
        None if error.is_response() => Stop::Broken("what answers there speaks no SMTP"),
        None => Stop::Broken("the connection to the mail server broke"),
    }
}

fn outcome(stop: Stop) -> DeliveryOutcome {
    let retry = |status, detail: String| DeliveryOutcome::Retry {
        after: None,
        status,
        detail,
    };
    match stop {
        Stop::Egress(error) => failed(&error),
        Stop::Broken(what) => retry(None, what.to_owned()),
        Stop::NoTls => retry(
            None,
            "the mail server offers no STARTTLS, and nothing is sent in the clear; try `security: tls` with its port".into(),
        ),
        Stop::Tls(why) => retry(None, format!("TLS was not agreed with the mail server, nothing was sent: {why}")),
        Stop::NoSignIn(why) => retry(None, format!("could not sign in to the mail server: {why}")),
        Stop::Greeting(reply) => retry(Some(reply.code), format!("the mail server does not talk to us ({reply})")),
        Stop::SignIn(reply) if reply.is_for_good() => retry(
            Some(reply.code),
            format!("the mail server refused user name or password ({reply}); set the channel's password anew"),
        ),
        Stop::SignIn(reply) => retry(Some(reply.code), format!("the mail server can't sign us in now ({reply})")),
        Stop::Sender(reply) => retry(
            Some(reply.code),
            format!("the mail server does not take mail from the channel's `from` ({reply})"),
        ),
        // 530 asks for a password at whatever place it comes.
        Stop::Recipient(reply) | Stop::Content(reply) if reply.code == 530 => {
            retry(Some(530), format!("the mail server wants a user name and password ({reply})"))
        }
        Stop::Recipient(reply) if reply.is_for_good() => rejected(&reply, "refuses the address"),
        Stop::Content(reply) if reply.is_for_good() => rejected(&reply, "refuses the message"),
        Stop::Recipient(reply) => retry(Some(reply.code), format!("the mail server does not take the address now ({reply})")),
        Stop::Content(reply) => retry(Some(reply.code), format!("the mail server does not take the message now ({reply})")),
        Stop::Late => retry(None, "the mail server gave no answer in time; see that port and `security` belong together".into()),
    }
}

fn rejected(reply: &Reply, what: &str) -> DeliveryOutcome {
    let known = match reply.enhanced.as_deref().and_then(|code| code.split_once('.')) {
        Some((_, "1.1" | "1.10")) => ", there is no such mailbox",
        Some((_, "2.1")) => ", the mailbox is switched off",
        Some((_, "2.2")) => ", the mailbox is full",
        Some((_, "3.4")) => ", it is too large",
        Some((_, detail)) if detail.starts_with("7.") => ", its rules forbid it",
        _ => "",
    };
    DeliveryOutcome::Rejected {
        status: Some(reply.code),
        detail: format!("the mail server {what} ({reply}{known})"),
    }
}
