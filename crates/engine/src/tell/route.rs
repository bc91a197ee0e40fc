//! Who is told of what: a pure look at policy, people and channels.

use std::collections::BTreeSet;

use signoff_core::{
    action::{Priority, Risk},
    channel::ChannelKind,
    id::{ChannelId, OperatorId},
    requirement::{Approver, Role, Roster as _},
    rows::{ApprovalRow, ChannelRow},
    time::Timestamp,
};
use signoff_notify::is_subscribed;

use crate::{snapshot::Snapshot, view::Reach};

/// Somebody or something that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct To {
    pub(crate) channel: ChannelId,
    /// The person; none: the channel's own destination.
    pub(crate) recipient: Option<OperatorId>,
}

/// What people are asked by, as opposed to how it ended.
pub(super) fn asks(kind: &str) -> bool {
    matches!(
        kind,
        "approval.pending" | "approval.stage_opened" | "approval.rejudged" | "approval.escalated"
    )
}

/// How it ended.
pub(crate) fn ends(kind: &str) -> bool {
    matches!(
        kind,
        "approval.decided" | "approval.expired" | "approval.cancelled" | "approval.superseded"
    )
}

/// What is said to people at all; the rest is for programs.
fn people_hear(kind: &str) -> bool {
    asks(kind)
        || ends(kind)
        || matches!(
            kind,
            "approval.edited" | "approval.info_answered" | "channel.disabled"
        )
}

/// Whether it can't wait: neither for the end of a window nor for the morning.
pub(crate) fn is_urgent(row: &ApprovalRow) -> bool {
    row.priority == Priority::Critical || row.risk == Risk::Critical
}

/// Channels and people of a workspace, for the time of one look.
pub(crate) struct Router<'a> {
    snapshot: &'a Snapshot,
    now: Timestamp,
}

impl<'a> Router<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, now: Timestamp) -> Self {
        Self { snapshot, now }
    }

    /// Channels that are told of this kind of event because they subscribed to it. People's channels hear what is asked
    /// unless they say otherwise: how it ended, they hear because they were asked.
    pub(crate) fn subscribed(&self, kind: &str) -> impl Iterator<Item = To> {
        let wants = move |row: &&ChannelRow| match (row.kind.is_for_programs(), row.events.is_empty()) {
            (true, _) => row.kind == ChannelKind::Webhook && is_subscribed(&row.events, kind),
            (false, true) => !row.named_only && kind == "approval.pending",
            (false, false) => !row.named_only && people_hear(kind) && is_subscribed(&row.events, kind),
        };
        let channels = self.snapshot.live_channels().filter(wants);
        channels
            .filter(|row| self.snapshot.has_own_destination(row.id))
            .map(|row| to(row.id))
    }

    /// Those whose vote counts towards what is open now, and who have not cast it.
    pub(crate) fn deciders(&self, row: &ApprovalRow) -> BTreeSet<OperatorId> {
        let Some(stage) = row.requirement.stages.get(row.open_stage()) else {
            return BTreeSet::new();
        };
        let owner = self
            .snapshot
            .rows
            .agents
            .get(&row.agent)
            .and_then(|row| row.owner);
        let names_owner = stage.approvers.contains(&Approver::AgentOwner);
        let operators = self.snapshot.rows.operators.keys().copied();
        let named = operators.filter(|id| {
            let is_owner = owner == Some(*id);
            if is_owner && !row.requirement.self_approval {
                return false;
            }
            (is_owner && names_owner) || self.snapshot.may_decide(*id, stage)
        });
        let voted = |id: &OperatorId| {
            let votes = row.votes.iter();
            let mut here = votes.filter(|vote| row.is_of_open_stage(vote));
            let counted = row.stages_done.iter().flat_map(|done| &done.by);
            here.any(|vote| vote.actor.operator() == Some(*id))
                || counted.into_iter().any(|actor| actor.operator() == Some(*id))
        };
        named.filter(|id| !voted(id)).collect()
    }

    /// What a policy's contacts stand for: channels by their own destination, and people.
    pub(crate) fn contacts(&self, row: &ApprovalRow, contacts: &[String]) -> (Vec<To>, BTreeSet<OperatorId>) {
        let (mut channels, mut people) = (Vec::new(), BTreeSet::new());
        for contact in contacts {
            if let Some(name) = contact.strip_prefix("channel:") {
                let mut live = self.snapshot.live_channels();
                let found = live.find(|row| row.name.eq_ignore_ascii_case(name));
                channels.extend(
                    found
                        .filter(|row| self.snapshot.has_own_destination(row.id))
                        .map(|row| to(row.id)),
                );
                continue;
            }
            let Ok(approver) = contact.parse::<Approver>() else {
                continue;
            };
            if approver == Approver::AgentOwner {
                people.extend(
                    self.snapshot
                        .rows
                        .agents
                        .get(&row.agent)
                        .and_then(|row| row.owner),
                );
                continue;
            }
            let operators = self.snapshot.rows.operators.keys().copied();
            people.extend(operators.filter(|id| self.is_meant(*id, &approver)));
        }
        (channels, people)
    }

    /// Whether a contact means this person. Unlike an approver, a viewer may be told.
    fn is_meant(&self, id: OperatorId, contact: &Approver) -> bool {
        let is_viewer = |row: &signoff_core::rows::OperatorRow| row.role < Role::Member;
        match self.snapshot.active_operator(id) {
            None => false,
            Some(row) if is_viewer(row) => match contact {
                Approver::Group(name) => {
                    let group = self.snapshot.find_group(name);
                    group.is_some_and(|group| group.members.contains(&id))
                }
                Approver::Operator(operator) => *operator == id,
                Approver::Email(address) => self.snapshot.operator_by_email(address) == Some(id),
                _ => false,
            },
            Some(_) => self.snapshot.is_named(id, contact),
        }
    }

    /// The ways to a person: those that they chose; else the first of Slack, push, mail and text message that has an
    /// address of theirs. What is urgent goes every way there is.
    pub(crate) fn ways(&self, person: OperatorId, urgent: bool) -> Vec<To> {
        let Some(row) = self.snapshot.person(person) else {
            return Vec::new();
        };
        let contact = self.snapshot.contact(person);
        let has_address = |channel: &&ChannelRow| contact.address(row, channel).is_some();
        let mut ways: Vec<&ChannelRow> = self
            .snapshot
            .live_channels()
            .filter(|channel| channel.kind.reaches_people())
            .filter(has_address)
            .filter(|channel| contact.wants(channel.id))
            .collect();
        let order = |kind: ChannelKind| match kind {
            ChannelKind::Slack => 0,
            ChannelKind::Push => 1,
            ChannelKind::Email => 2,
            _ => 3,
        };
        ways.sort_by_key(|channel| (order(channel.kind), channel.id));
        if contact.channels.is_none() && !urgent {
            ways.truncate(1);
        }
        let ways = ways.into_iter().map(|channel| To {
            channel: channel.id,
            recipient: Some(person),
        });
        ways.collect()
    }

    /// When somebody may be told something: now, or once their quiet hours are over.
    pub(crate) fn not_before(&self, person: Option<OperatorId>, urgent: bool) -> Timestamp {
        let quiet = person
            .filter(|_| !urgent)
            .and_then(|id| self.snapshot.contact(id).quiet_hours)
            .and_then(|quiet| quiet.until(self.now));
        quiet.unwrap_or(self.now)
    }
}

fn to(channel: ChannelId) -> To {
    To {
        channel,
        recipient: None,
    }
}

/// Who would hear of an approval as it stands now.
pub(crate) fn reach(snapshot: &Snapshot, row: &ApprovalRow, now: Timestamp) -> Reach {
    if snapshot.live_channels().next().is_none() {
        return Reach::Nobody;
    }
    let router = Router::new(snapshot, now);
    let (named, mut people) = router.contacts(row, &row.notify);
    if !named.is_empty() || router.subscribed("approval.pending").next().is_some() {
        return Reach::Somebody;
    }
    people.extend(router.deciders(row));
    let urgent = is_urgent(row);
    let mut earliest = None;
    for person in people {
        if router.ways(person, urgent).is_empty() {
            continue;
        }
        let at = router.not_before(Some(person), urgent);
        if at <= now {
            return Reach::Somebody;
        }
        earliest = earliest.into_iter().chain([at]).min();
    }
    earliest.map_or(Reach::Nobody, Reach::Later)
}

/// The channels by which a person hears of what is not urgent.
pub(crate) fn ways(snapshot: &Snapshot, person: OperatorId, now: Timestamp) -> Vec<ChannelId> {
    let ways = Router::new(snapshot, now).ways(person, false);
    ways.into_iter().map(|to| to.channel).collect()
}

/// Whether a channel hears of whatever is asked.
pub(crate) fn is_told_of_everything(snapshot: &Snapshot, now: Timestamp) -> bool {
    Router::new(snapshot, now)
        .subscribed("approval.pending")
        .next()
        .is_some()
}
