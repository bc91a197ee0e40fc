//! What the filters mean, said once more in plain code: the reference that answers are compared with.

use std::collections::BTreeSet;

use signoff_core::{
    id::{AgentId, RawId},
    record::Record,
    rows::ApprovalRow,
};

use super::scribe::Scribe;
use crate::{ApprovalQuery, RecordIndex, RecordQuery};

/// Whether a name matches a glob: `*` is any run of characters, `?` one character, all else itself.
pub fn glob_matches(glob: &[u8], name: &[u8]) -> bool {
    match (glob.first(), name.first()) {
        (None, None) => true,
        (Some(b'*'), _) => {
            glob_matches(&glob[1..], name) || (!name.is_empty() && glob_matches(glob, &name[1..]))
        }
        (Some(b'?'), Some(_)) => glob_matches(&glob[1..], &name[1..]),
        (Some(g), Some(n)) if g == n => glob_matches(&glob[1..], &name[1..]),
        _ => false,
    }
}

/// The sequences that a query should answer with.
pub fn records(scribe: &Scribe, query: &RecordQuery) -> Vec<u64> {
    let by_agent = query
        .agents
        .as_ref()
        .map(|agents| requests(scribe, |agent, _| agents.contains(&agent)));
    let by_action = query.action.as_ref().map(|glob| {
        requests(scribe, |_, action| {
            glob_matches(glob.as_bytes(), action.as_bytes())
        })
    });
    let matches = |record: &&Record| {
        let index = RecordIndex::of(record);
        query.subject.is_none_or(|subject| index.subject == subject)
            && by_agent
                .as_ref()
                .is_none_or(|subjects| subjects.contains(&index.subject))
            && by_action
                .as_ref()
                .is_none_or(|subjects| subjects.contains(&index.subject))
            && query
                .actor
                .as_ref()
                .is_none_or(|actor| record.actor.id.as_ref() == Some(actor))
            && query
                .event_type
                .as_ref()
                .is_none_or(|wanted| is_of_type(record, wanted))
            && query
                .decision
                .as_ref()
                .is_none_or(|decision| index.decision.as_ref() == Some(decision))
            && query.since.is_none_or(|since| record.time >= since)
    };
    page(
        scribe.records.iter().filter(matches).map(|record| record.seq),
        query.beyond,
        query.newest_first,
        query.limit,
    )
}

fn requests(scribe: &Scribe, wanted: impl Fn(AgentId, &str) -> bool) -> BTreeSet<RawId> {
    let indexes = scribe.records.iter().map(RecordIndex::of);
    let mine = indexes.filter(|index| match (index.agent, &index.action) {
        (Some(agent), Some(action)) => wanted(agent, action),
        _ => false,
    });
    mine.map(|index| index.subject).collect()
}

fn is_of_type(record: &Record, wanted: &str) -> bool {
    let name = record.event.type_name();
    if wanted.ends_with('.') {
        name.starts_with(wanted)
    } else {
        name == wanted || name == format!("{wanted}.v1")
    }
}

/// The approvals that a query should answer with.
pub fn approvals(scribe: &Scribe, query: &ApprovalQuery) -> Vec<ApprovalRow> {
    let matches = |row: &&ApprovalRow| {
        let action = row.action.to_ascii_lowercase();
        let policy = row.policy.as_ref().map(|policy| policy.name.to_ascii_lowercase());
        (query.statuses.is_empty() || query.statuses.contains(&row.status))
            && query
                .agents
                .as_ref()
                .is_none_or(|agents| agents.contains(&row.agent))
            && query
                .action
                .as_ref()
                .is_none_or(|glob| glob_matches(glob.as_bytes(), action.as_bytes()))
            && query.priority.is_none_or(|priority| row.priority == priority)
            && query.risk.is_none_or(|risk| row.risk == risk)
            && query
                .policy
                .as_ref()
                .is_none_or(|wanted| policy.as_ref() == Some(wanted))
            && query
                .search
                .as_ref()
                .is_none_or(|search| action.contains(&search.action) || search.agents.contains(&row.agent))
    };
    let mut rows: Vec<_> = scribe.rows.approvals.values().filter(matches).collect();
    rows.sort_by_key(|row| row.submitted_seq);
    let sequences = rows.iter().map(|row| row.submitted_seq);
    let wanted = page(sequences, query.beyond, !query.oldest_first, query.limit);
    let find = |seq: &u64| rows.iter().find(|row| row.submitted_seq == *seq).copied();
    wanted.iter().filter_map(find).cloned().collect()
}

fn page(rising: impl Iterator<Item = u64>, beyond: Option<u64>, newest_first: bool, limit: u32) -> Vec<u64> {
    let mut all: Vec<u64> = rising.collect();
    if newest_first {
        all.reverse();
    }
    let is_beyond = |seq: &u64| {
        beyond.is_none_or(|beyond| {
            if newest_first {
                *seq < beyond
            } else {
                *seq > beyond
            }
        })
    };
    all.into_iter().filter(is_beyond).take(limit as usize).collect()
}
