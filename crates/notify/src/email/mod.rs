//! Mail over SMTP: one message to one person, or to the mailboxes of the channel.

use jiff::Timestamp;
use lettre::Address;
use lettre::message::Mailbox;
use signoff_egress::Egress;

use crate::deliver::DeliveryOutcome;
use crate::message::{Destination, Message};
use crate::transport::Email;

mod compose;
mod connection;
mod smtp;

/// Sends one mail once. Delivered says that the mail server took it, for one of the mailboxes at least.
pub(crate) async fn send(
    egress: &Egress,
    email: &Email,
    message: &Message,
    now: Timestamp,
) -> DeliveryOutcome {
    let rejected = |detail: &str| DeliveryOutcome::Rejected {
        status: None,
        detail: detail.into(),
    };
    let Ok(from) = parse_mailbox(&email.from) else {
        return DeliveryOutcome::Retry {
            after: None,
            status: None,
            detail: "the channel's `from` is no address of a mailbox; set it anew".into(),
        };
    };
    let Some(to) = recipients(email, message) else {
        return rejected("the address is none of a mailbox; the person, or an admin, can set another");
    };
    if to.is_empty() {
        return rejected(
            "the channel has no mailbox of its own, and the message is for nobody in particular",
        );
    }
    let Some(mail) = compose::compose(&from, &to, message, now) else {
        return rejected("no mail can be made of it");
    };
    let addresses: Vec<Address> = to.into_iter().map(|mailbox| mailbox.email).collect();
    smtp::send(egress, email, (from.email, addresses), mail).await
}

/// Reads `Name <address>` or an address alone. Only ASCII addresses: not every server on the way takes others.
pub(crate) fn parse_mailbox(text: &str) -> Result<Mailbox, &'static str> {
    let mailbox: Mailbox = text.parse().map_err(|_| "it is no address of a mailbox")?;
    let address: &str = mailbox.email.as_ref();
    if address.len() > 254 || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("an address has at most 254 ASCII characters, none of them a space");
    }
    Ok(mailbox)
}

fn recipients(email: &Email, message: &Message) -> Option<Vec<Mailbox>> {
    match &message.to {
        Destination::Person(person) => {
            let address = parse_mailbox(&person.address).ok()?.email;
            let name = crate::inert::line(&person.name, 120);
            Some(vec![Mailbox::new(Some(name), address)])
        }
        _ => email.to.iter().map(|text| parse_mailbox(text).ok()).collect(),
    }
}

#[cfg(test)]
mod tests;
