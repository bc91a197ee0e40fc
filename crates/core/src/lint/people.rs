//! Requirements that nobody can meet, and names of what is not there.

use std::collections::BTreeSet;

use super::{Finding, Known, KnownAgent, KnownOperator, LintCode, Severity, says_more, written};
use crate::{
    name::{GlobIndex, is_glob},
    policy::{ApproverRule, Contacts, Effect, PolicyDoc},
    requirement::{Approver, Role},
};

/// The terms that this file understands; with others, such as stages, nothing is said about who can decide.
const TERMS: [&str; 11] = [
    "approvers",
    "quorum",
    "deny_quorum",
    "timeout",
    "self_approval",
    "escalate",
    "notify",
    "allow_edit",
    "link",
    "link_risk_max",
    "valid_for",
];
/// Everything of a policy that leaves its agents to `agents`.
const NOT_ABOUT_AGENTS: &str = "labels";
/// How many agents a sentence names.
const AGENTS_SHOWN_MAX: usize = 5;

/// The people that approvers name, at most: what is not known counts as everybody.
#[derive(Default)]
struct Named {
    people: BTreeSet<String>,
    /// Anybody may be among them.
    unbounded: bool,
    /// The agent's owner may be one more.
    owner: bool,
    /// A role is among them, which automation has too.
    by_role: bool,
}

impl Named {
    fn at_most(&self) -> Option<usize> {
        (!self.unbounded).then(|| self.people.len() + usize::from(self.owner))
    }
}

pub(super) fn findings(policy: &PolicyDoc, defaults: Option<&[Approver]>, known: &Known) -> Vec<Finding> {
    let mut findings = unknown_agents(policy, known);
    findings.extend(idle_contacts(policy, known));
    let object = written(policy);
    let terms = object.get("approval").and_then(|terms| terms.as_object());
    if asks(policy) && !terms.is_some_and(|terms| says_more(terms, &TERMS)) {
        findings.extend(idle(policy, known));
        findings.extend(requirement(policy, defaults, known));
    }
    findings
}

fn asks(policy: &PolicyDoc) -> bool {
    let form = policy.normal_form();
    form.then == Effect::Ask || form.or_else == Some(Effect::Ask)
}

fn about(policy: &PolicyDoc, severity: Severity, code: LintCode, pointer: &str) -> Finding {
    Finding {
        severity,
        code,
        policy: Some(policy.name.clone()),
        pointer: pointer.to_owned(),
        other: None,
        message: String::new(),
        next: String::new(),
    }
}

/// The workspace's default approvers, where something rests on them.
pub(super) fn default_findings(
    policies: &[PolicyDoc],
    defaults: Option<&[Approver]>,
    known: &Known,
) -> Option<Finding> {
    let mut resting = policies
        .iter()
        .filter(|policy| !policy.disabled && asks(policy) && policy.approval.approvers.is_empty());
    let first = resting.next()?;
    let named = named(defaults?, false, known);
    (named.at_most() == Some(0)).then(|| Finding {
        severity: Severity::Error,
        code: LintCode::Unmeetable,
        policy: None,
        pointer: "/default_approvers".into(),
        other: Some(first.name.clone()),
        message: format!(
            "no person is among the default approvers, on whom `{}` and all policies without `approvers` rest{}",
            first.name,
            automation(&named, 1)
        ),
        next: "add an operator who is a member or admin, or name others in `default_approvers`".into(),
    })
}

fn as_named(rule: &ApproverRule) -> Option<Approver> {
    match rule {
        ApproverRule::Named(approver) => Some(approver.clone()),
        ApproverRule::FromContext(_) => None,
    }
}

/// What automation can do where people can't.
fn automation(named: &Named, quorum: usize) -> &'static str {
    if named.by_role && quorum == 1 {
        "; only the admin key could decide"
    } else {
        ""
    }
}

fn requirement(policy: &PolicyDoc, defaults: Option<&[Approver]>, known: &Known) -> Vec<Finding> {
    let terms = &policy.approval;
    let own = !terms.approvers.is_empty();
    let approvers: Option<Vec<Approver>> = if own {
        // Whom an address of the context names can't be known.
        terms.approvers.iter().map(as_named).collect()
    } else {
        defaults.map(<[Approver]>::to_vec)
    };
    let Some(approvers) = approvers else {
        return Vec::new();
    };
    let named = named(&approvers, terms.self_approval, known);
    let Some(count) = named.at_most() else {
        return Vec::new();
    };
    let (quorum, deny_quorum) = (size(terms.quorum), size(terms.deny_quorum));
    let whom = if own {
        "it names"
    } else {
        "the default approvers are"
    };
    let mut findings: Vec<Finding> = unheard(policy, &named, known).into_iter().collect();
    // Default approvers that are nobody are told once, for all.
    if count < quorum && (own || count > 0) {
        findings.push(Finding {
            message: format!(
                "nobody can approve: {quorum} must, and {whom} {}{}",
                people(count),
                automation(&named, quorum)
            ),
            next: "name more approvers, fill their group, or lower `quorum`".into(),
            ..about(policy, Severity::Error, LintCode::Unmeetable, "/approval")
        });
    } else if count >= quorum {
        findings.extend(left_alone(policy, &named, quorum, known));
    }
    if count >= quorum && count < deny_quorum {
        findings.push(Finding {
            message: format!(
                "nobody can deny: {deny_quorum} must, and {whom} {}; it could only be approved or expire",
                people(count)
            ),
            next: "lower `deny_quorum`, or name more approvers".into(),
            ..about(
                policy,
                Severity::Warning,
                LintCode::Undeniable,
                "/approval/deny_quorum",
            )
        });
    }
    findings
}

/// People who may decide and never hear of it. What a channel is told of, somebody hears.
fn unheard(policy: &PolicyDoc, named: &Named, known: &Known) -> Option<Finding> {
    let heard = known.heard.as_ref()?;
    let tells_a_channel = policy.approval.notify.iter().any(|contacts| match contacts {
        Contacts::Always(contact) => contact.starts_with("channel:"),
        Contacts::From { .. } => false,
    });
    if heard.of_everything || tells_a_channel {
        return None;
    }
    let deaf: Vec<&str> = named
        .people
        .difference(&heard.people)
        .map(String::as_str)
        .collect();
    (!deaf.is_empty()).then(|| Finding {
        message: format!("no channel reaches {}: what waits for them stands in the console alone", listed(&deaf)),
        next: "add a channel with an address of theirs, let them say how they are reached (`signoff operators contact`), or name a channel in `notify`".into(),
        ..about(policy, Severity::Warning, LintCode::Unheard, "/approval/approvers")
    })
}

fn size(quorum: Option<u32>) -> usize {
    quorum.unwrap_or(1) as usize
}

fn people(count: usize) -> String {
    match count {
        0 => "no person who can decide".into(),
        1 => "1 person who can decide".into(),
        _ => format!("{count} people who can decide"),
    }
}

/// Agents whose owner can't approve for them, and without whom too few are left.
fn left_alone(policy: &PolicyDoc, named: &Named, quorum: usize, known: &Known) -> Option<Finding> {
    let agents = known.agents.as_deref()?;
    let by_labels = written(policy)
        .get(NOT_ABOUT_AGENTS)
        .is_some_and(|labels| !labels.is_null());
    if policy.approval.self_approval || by_labels || !automation(named, quorum).is_empty() {
        return None;
    }
    let matching = Agents::of(&policy.agents)?;
    let lonely: Vec<&str> = agents
        .iter()
        .filter(|agent| !agent.disabled && matching.has(&agent.name))
        .filter(|agent| {
            let owner = agent.owner.as_deref().and_then(|owner| person(owner, known));
            owner.is_some_and(|owner| named.people.contains(&owner) && named.people.len() - 1 < quorum)
        })
        .map(|agent| agent.name.as_str())
        .collect();
    (!lonely.is_empty()).then(|| Finding {
        message: format!(
            "nobody can approve what {} asks: its owner is among the approvers and can't approve for it, and too few are left",
            listed(&lonely)
        ),
        next: "name further approvers, or set `self_approval`".into(),
        ..about(policy, Severity::Error, LintCode::Unmeetable, "/approval/self_approval")
    })
}

fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(AGENTS_SHOWN_MAX)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = names.len().saturating_sub(AGENTS_SHOWN_MAX);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{more}", shown.join(", "))
}

/// Entries that name nobody who can decide.
fn idle(policy: &PolicyDoc, known: &Known) -> Vec<Finding> {
    let entries = policy.approval.approvers.iter().enumerate();
    entries
        .filter_map(|(at, approver)| {
            let ApproverRule::Named(approver) = approver else {
                return None;
            };
            let why = idle_because(approver, policy.approval.self_approval, known)?;
            Some(Finding {
                message: format!("`{approver}` names nobody who can decide: {why}"),
                next: "mend the name, or add who is meant".into(),
                ..about(
                    policy,
                    Severity::Warning,
                    LintCode::IdleApprover,
                    &format!("/approval/approvers/{at}"),
                )
            })
        })
        .collect()
}

fn idle_because(approver: &Approver, self_approval: bool, known: &Known) -> Option<String> {
    let alone = named(std::slice::from_ref(approver), self_approval, known);
    if alone.at_most() != Some(0) {
        return None;
    }
    Some(match approver {
        Approver::AgentOwner => "an agent's owner can't approve for it without `self_approval`".into(),
        Approver::Role(_) => "no active operator has the role".into(),
        Approver::Group(name) => match group(name, known) {
            None => "there is no such group".into(),
            Some([]) => "the group is empty".into(),
            Some(_) => "no member of the group is active and a member or admin".into(),
        },
        Approver::Email(who) => standing(find(who, known)),
        Approver::Operator(id) => standing(find(&id.to_string(), known)),
    })
}

fn standing(operator: Option<&KnownOperator>) -> String {
    match operator {
        None => "there is no such operator".into(),
        Some(operator) if operator.disabled => "the operator is switched off".into(),
        Some(_) => "a viewer can't decide".into(),
    }
}

fn named(approvers: &[Approver], self_approval: bool, known: &Known) -> Named {
    let mut named = Named::default();
    for approver in approvers {
        match approver {
            Approver::AgentOwner => named.owner |= self_approval,
            Approver::Role(role) => {
                named.by_role = true;
                match &known.operators {
                    None => named.unbounded = true,
                    Some(all) => named.people.extend(
                        all.iter()
                            .filter(|one| can_decide(one) && one.role >= *role)
                            .map(key),
                    ),
                }
            }
            Approver::Group(name) => match (&known.groups, group(name, known)) {
                (None, _) => named.unbounded = true,
                (Some(_), members) => {
                    let members = members.unwrap_or_default().iter();
                    named.people.extend(members.filter_map(|who| person(who, known)));
                }
            },
            Approver::Email(who) => named.people.extend(person(who, known)),
            Approver::Operator(id) => named.people.extend(person(&id.to_string(), known)),
        }
    }
    named
}

fn can_decide(operator: &KnownOperator) -> bool {
    !operator.disabled && operator.role >= Role::Member
}

fn key(operator: &KnownOperator) -> String {
    operator.email.to_ascii_lowercase()
}

fn group<'a>(name: &str, known: &'a Known) -> Option<&'a [String]> {
    let groups = known.groups.as_ref()?;
    let found = groups
        .iter()
        .find(|group| group.name.eq_ignore_ascii_case(name))?;
    Some(&found.members)
}

fn find<'a>(who: &str, known: &'a Known) -> Option<&'a KnownOperator> {
    let is_meant = |one: &&KnownOperator| {
        one.email.eq_ignore_ascii_case(who) || one.id.is_some_and(|id| id.to_string() == who)
    };
    known.operators.as_ref()?.iter().find(is_meant)
}

/// Who is meant by an address or id, if they may decide. Somebody who can't be looked up may.
fn person(who: &str, known: &Known) -> Option<String> {
    let Some(operators) = &known.operators else {
        return Some(who.to_ascii_lowercase());
    };
    match find(who, known) {
        Some(operator) => can_decide(operator).then(|| key(operator)),
        // By id, one of those whose id is not known.
        None => (!who.contains('@') && operators.iter().any(|one| one.id.is_none()))
            .then(|| who.to_ascii_lowercase()),
    }
}

/// Agents by name or glob; no pattern means all.
struct Agents<'a> {
    patterns: &'a [String],
    globs: GlobIndex,
}

impl<'a> Agents<'a> {
    fn of(patterns: &'a [String]) -> Option<Self> {
        let globs = patterns.iter().map(String::as_str).filter(|one| is_glob(one));
        Some(Self {
            patterns,
            globs: GlobIndex::new(globs).ok()?,
        })
    }

    fn has(&self, name: &str) -> bool {
        self.patterns.is_empty()
            || self.patterns.iter().any(|one| one.eq_ignore_ascii_case(name))
            || !self.globs.matches(name).is_empty()
    }
}

fn unknown_agents(policy: &PolicyDoc, known: &Known) -> Vec<Finding> {
    let Some(agents) = &known.agents else {
        return Vec::new();
    };
    let missing = |pattern: &String| {
        let one = std::slice::from_ref(pattern);
        let matching = Agents::of(one);
        matching.is_some_and(|matching| !agents.iter().any(|agent: &KnownAgent| matching.has(&agent.name)))
    };
    let entries = policy.agents.iter().enumerate();
    entries
        .filter(|(_, pattern)| missing(pattern))
        .map(|(at, pattern)| Finding {
            message: format!("there is no agent `{pattern}` yet"),
            next: "mend the name, or create the agent; an application may also bring it in".into(),
            ..about(
                policy,
                Severity::Note,
                LintCode::UnknownAgent,
                &format!("/agents/{at}"),
            )
        })
        .collect()
}

/// Contacts that tell nobody: channels that are not there, and texts that name no person either.
fn idle_contacts(policy: &PolicyDoc, known: &Known) -> Vec<Finding> {
    let object = written(policy);
    let approval = object.get("approval");
    let lists = ["/notify", "/escalate/to"];
    let entries = lists.into_iter().flat_map(|list| {
        let items = approval.and_then(|terms| terms.pointer(list)?.as_array());
        let items = items.into_iter().flatten().enumerate();
        items.flat_map(move |(at, item)| {
            let place = format!("/approval{list}/{at}");
            match item.as_str() {
                Some(contact) => vec![(place, contact)],
                None => contacts_from(&place, item),
            }
        })
    });
    let message = |contact: &str| match (contact.strip_prefix("channel:"), &known.channels) {
        (Some(name), Some(channels)) => {
            let is_there = channels.iter().any(|one| one.eq_ignore_ascii_case(name));
            (!is_there).then(|| format!("there is no channel `{name}`"))
        }
        (Some(_), None) => None,
        (None, _) => contact
            .parse::<Approver>()
            .err()
            .map(|_| format!("`{contact}` names nobody who could be told")),
    };
    entries
        .filter_map(|(place, contact)| {
            Some(Finding {
                message: message(contact)?,
                next: "name a channel that is there, channel:NAME, or people as approvers are named".into(),
                ..about(policy, Severity::Warning, LintCode::UnknownChannel, &place)
            })
        })
        .collect()
}

/// Contacts for some requests, with their places.
fn contacts_from<'a>(place: &str, item: &'a serde_json::Value) -> Vec<(String, &'a str)> {
    let named = item.get("to").and_then(|to| to.as_array());
    let named = named.into_iter().flatten().enumerate();
    named
        .filter_map(|(at, contact)| Some((format!("{place}/to/{at}"), contact.as_str()?)))
        .collect()
}
