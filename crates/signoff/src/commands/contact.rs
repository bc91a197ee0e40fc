//! `signoff operators contact`: how a person is reached.

use anyhow::{Context as _, bail};
use clap::Args;
use signoff_api::Secret;
use signoff_api::channel::{Contact, ContactUpdate, QuietHours};
use signoff_api::duration::Duration;
use signoff_client::Client;

use crate::cli::Global;
use crate::{inert, output, table};

/// How a person wants to be reached.
#[derive(Debug, Args)]
pub(crate) struct ContactArgs {
    /// Their id, e-mail address, or `me`
    #[arg(default_value = "me")]
    operator: String,
    /// A channel to be told by; may be repeated [default: the first of Slack, push, mail and text message that reaches them]
    #[arg(long = "channel", value_name = "NAME")]
    channels: Vec<String>,
    /// A telephone number for text messages, `+` and digits
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// A file with the topic for push messages: long and random, because whoever knows it can read it
    #[arg(long, value_name = "FILE")]
    push_topic_file: Option<String>,
    /// When only what is critical reaches them, such as 22:00-07:00
    #[arg(long, value_name = "FROM-TO", requires = "time_zone")]
    quiet: Option<String>,
    /// Where they live, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", requires = "quiet")]
    time_zone: Option<String>,
    /// The least time between two messages
    #[arg(long, value_name = "SPAN")]
    window: Option<Duration>,
    /// Take away: channels, phone, push_topic, quiet_hours or window; may be repeated
    #[arg(long, value_name = "WHAT")]
    clear: Vec<String>,
}

impl ContactArgs {
    fn update(&self) -> anyhow::Result<ContactUpdate> {
        let quiet_hours = match (&self.quiet, &self.time_zone) {
            (Some(span), Some(zone)) => {
                let Some((from, to)) = span.split_once('-') else {
                    bail!("quiet hours are written FROM-TO, such as 22:00-07:00");
                };
                Some(QuietHours {
                    from: from.trim().to_owned(),
                    to: to.trim().to_owned(),
                    time_zone: zone.clone(),
                })
            }
            _ => None,
        };
        let push_topic = match &self.push_topic_file {
            Some(path) => {
                let read = std::fs::read_to_string(path).with_context(|| format!("{path} can't be read"))?;
                Some(Secret::new(read.trim()))
            }
            None => None,
        };
        Ok(ContactUpdate {
            channels: (!self.channels.is_empty()).then(|| self.channels.clone()),
            phone: self.phone.clone(),
            push_topic,
            quiet_hours,
            window: self.window,
            clear: (!self.clear.is_empty()).then(|| self.clear.clone()),
        })
    }
}

pub(crate) async fn run(global: &Global, client: &Client, args: ContactArgs) -> anyhow::Result<()> {
    let update = args.update()?;
    let contact = if update == ContactUpdate::default() {
        client.contact_view(&args.operator).await?
    } else {
        let updated = client.contact_update(&args.operator, &update).await?;
        if !global.json {
            let changed = updated.changed.join(", ");
            output::talk(&if changed.is_empty() {
                "nothing changed: it is so already".to_owned()
            } else {
                format!("changed: {changed}")
            });
        }
        updated.contact
    };
    if global.json {
        return output::json(&contact);
    }
    show(&contact)
}

fn show(contact: &Contact) -> anyhow::Result<()> {
    if let Some(phone) = &contact.phone {
        output::talk(&format!("phone: {}", inert::line(phone)));
    }
    if contact.has_push_topic {
        output::talk("push topic: set");
    }
    if let Some(quiet) = &contact.quiet_hours {
        let zone = inert::line(&quiet.time_zone);
        output::talk(&format!(
            "quiet: {} to {} ({zone}); what is critical comes all the same",
            quiet.from, quiet.to
        ));
    }
    if let Some(window) = contact.window {
        output::talk(&format!("at most one message every {window}"));
    }
    if contact.reached_by.is_empty() {
        output::talk("no channel reaches people yet: `signoff channels add email …` adds one");
        return Ok(());
    }
    let rows = contact.reached_by.iter().map(|by| {
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        [
            by.channel.name.clone(),
            by.kind.to_string(),
            yes(by.has_address),
            yes(by.used),
        ]
    });
    output::data(table::render(["CHANNEL", "KIND", "HAS AN ADDRESS", "TOLD BY IT"], rows).trim_end())
}
