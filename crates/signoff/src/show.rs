//! Approvals, verdicts and explanations as text: facts first, the agent's own words marked as such.

use std::fmt::Write as _;

use serde_json::Value;
use signoff_api::action::{
    ConditionReport, ConditionResult, PolicyRef, Unheard, Verdict, VerdictCode, VerdictKind,
};
use signoff_api::approval::{
    Approval, ApprovalStatus, LinkMode, Requirement, Stage, StageState, VoteVia, Voter,
};
use signoff_api::call::CallView;
use signoff_api::common::Risk;
use signoff_api::execution::Execution;
use signoff_api::policy::{Explanation, Raise, Yields};

use crate::inert::{line, lines};
use crate::{table, time};

/// One approval, whole.
pub(crate) fn approval(approval: &Approval) -> String {
    let mut text = Text::default();
    text.push(line(&approval.summary));
    text.push(String::new());
    text.field("status", &status(approval));
    text.field("action", &approval.action);
    text.field("agent", &approval.agent.name);
    text.field(
        "risk",
        &format!("{} · priority {}", approval.risk, approval.priority),
    );
    if let Some(cost) = &approval.estimated_cost {
        text.field("cost", &format!("{cost} USD (the agent's estimate)"));
    }
    text.field("policy", &policy(approval.policy.as_ref()));
    text.conditions(&approval.conditions);
    requirement(&approval.requirement, &mut text);
    for edit in &approval.edits {
        let by = edit.by.name.as_deref().unwrap_or(&edit.by.id);
        text.field("changed", &format!("by {by}, {}", time::ago(&edit.at)));
    }
    if let Some(sent) = &approval.call {
        call(sent, &mut text);
    }
    text.object("inputs", &approval.inputs);
    text.object("context", &approval.context);
    claims(approval, &mut text);
    thread(approval, &mut text);
    text.field(
        "asked",
        &format!("{} ({})", approval.created_at, time::ago(&approval.created_at)),
    );
    text.field("id", &approval.id);
    text.field("digest", &approval.digest);
    text.field("page", &approval.url);
    text.0
}

/// One execution, with its call.
pub(crate) fn execution(execution: &Execution) -> String {
    let mut text = Text::default();
    text.field("status", execution.status.as_str());
    text.field("action", &execution.action);
    text.field("agent", &execution.agent.name);
    if let Some(sent) = &execution.call {
        call(sent, &mut text);
    }
    text.object("inputs", &execution.inputs);
    text.object("context", &execution.context);
    if let Some(report) = &execution.report {
        let detail = report
            .detail
            .as_ref()
            .map(|detail| format!(": “{detail}”"))
            .unwrap_or_default();
        text.field("reported", &format!("{}{detail}", report.outcome));
    }
    let approval = execution
        .approval_id
        .as_deref()
        .unwrap_or("none: policy allowed it");
    text.field("approval", approval);
    text.field(
        "since",
        &format!("{} ({})", execution.created_at, time::ago(&execution.created_at)),
    );
    text.field("id", &execution.id);
    text.field("digest", &execution.digest);
    text.0
}

/// What is sent, and how it went.
fn call(call: &CallView, text: &mut Text) {
    text.field(
        "call",
        &format!("{} {}", call.method, call.url.as_deref().unwrap_or("(erased)")),
    );
    if let Some(grant) = &call.grant {
        text.field("grant", &grant.name);
    }
    for (name, value) in &call.headers {
        text.push(line(&format!("  {name}: {value}")));
    }
    match (&call.body, &call.body_base64) {
        (Some(body), _) => text.push(format!("body\n  {}", lines(body).replace('\n', "\n  "))),
        (None, Some(_)) => text.field("body", &format!("{} bytes that are no text", call.body_bytes)),
        (None, None) => {}
    }
    if let Some(status) = call.status {
        text.field("answered", &status.to_string());
    }
    if let Some(fault) = call.fault {
        text.field("no answer", fault.as_str());
    }
    if let Some(because) = call.revoked {
        text.field("revoked", because.as_str());
    }
    if let Some(settled) = &call.settled {
        text.field(
            "settled",
            &format!("by {}, {}", settled.by.id, time::ago(&settled.at)),
        );
    }
    if call.attempts > 1 {
        text.field("begun", &format!("{} times", call.attempts));
    }
}

fn claims(approval: &Approval, text: &mut Text) {
    let claims = [
        ("reason", &approval.reason),
        ("description", &approval.description),
        ("intent", &approval.intent),
        ("on behalf of", &approval.requested_by),
    ];
    if claims.iter().any(|(_, claim)| claim.is_some()) {
        text.push("the agent says");
        for (name, claim) in claims {
            if let Some(claim) = claim {
                text.push(format!("  {name}: “{}”", line(claim)));
            }
        }
    }
}

fn thread(approval: &Approval, text: &mut Text) {
    for vote in &approval.votes {
        let uncounted = if vote.counted { "" } else { " (not counted)" };
        let via = match vote.via {
            Some(VoteVia::Link) => " by a personal link",
            Some(VoteVia::Channel) => " in a message",
            None => "",
        };
        let comment = vote
            .comment
            .as_ref()
            .map(|comment| format!(": “{comment}”"))
            .unwrap_or_default();
        text.field(
            "vote",
            &format!(
                "{} by {}{via}{uncounted}{comment}",
                vote.decision, vote.operator.name
            ),
        );
    }
    for info in &approval.info {
        let by = info.asked_by.name.as_deref().unwrap_or(&info.asked_by.id);
        text.field("question", &format!("{by}: “{}”", info.question));
        if let Some(answer) = &info.answer {
            text.field("answer", &format!("“{answer}”"));
        }
    }
}

/// Where an approval stands, with who and why or how long.
pub(crate) fn status(approval: &Approval) -> String {
    let mut text = approval.status.to_string();
    if approval.is_terminal {
        if let Some(by) = &approval.decided_by {
            let _ = write!(text, " by {}", by.name.as_deref().unwrap_or(&by.id));
        }
        if let Some(reason) = &approval.decision_reason {
            let _ = write!(text, ": “{reason}”");
        }
    } else if let Some(seconds) = approval.expires_in {
        let _ = write!(text, ", {} left", time::clock(seconds));
    }
    text
}

/// A table of approvals.
pub(crate) fn approvals(items: &[Approval]) -> String {
    let rows = items.iter().map(|approval| {
        let left = match (approval.status, approval.expires_in) {
            (ApprovalStatus::Pending | ApprovalStatus::InfoRequested, Some(seconds)) => time::rough(seconds),
            _ => "-".to_owned(),
        };
        [
            approval.id.clone(),
            approval.status.to_string(),
            approval.agent.name.clone(),
            approval.summary.clone(),
            approval.risk.to_string(),
            left,
            time::ago(&approval.created_at),
        ]
    });
    table::render(["ID", "STATUS", "AGENT", "WHAT", "RISK", "LEFT", "ASKED"], rows)
}

/// What a check says.
pub(crate) fn verdict(verdict: &Verdict) -> String {
    let mut text = Text::default();
    text.push(match verdict.verdict {
        VerdictKind::Allowed => "allowed".to_owned(),
        VerdictKind::Denied => format!("denied{}", because(verdict.code, verdict.reason.as_deref())),
        VerdictKind::PendingApproval => "would ask a person".to_owned(),
    });
    if !verdict.incomplete.is_empty() {
        text.push("but a submit would be sent back: it must say first");
    }
    for lack in &verdict.incomplete {
        text.push(format!("  {}: {}", line(&lack.pointer), line(&lack.detail)));
    }
    text.field("policy", &policy(verdict.policy.as_ref()));
    if let Some(standing) = &verdict.standing_approval_id {
        text.field("standing", standing);
    }
    text.conditions(&verdict.conditions);
    for raise in verdict.raised.iter().flat_map(|raised| &raised.by) {
        text.push(raise_line(raise));
    }
    if let Some(asked) = &verdict.requirement {
        requirement(asked, &mut text);
    }
    if let Some(seconds) = verdict.expires_in {
        text.field("time", &time::rough(seconds));
    }
    text.0
}

/// Why an action gets its verdict.
pub(crate) fn explanation(explanation: &Explanation) -> String {
    let mut text = Text(verdict(&explanation.verdict));
    for found in &explanation.matches {
        let mark = if found.governs { "→" } else { " " };
        let effect = found.effect.map_or("does not match", Yields::as_str);
        text.push(format!(
            "{mark} {} ({effect}): {}",
            line(&found.policy.name),
            line(&found.why)
        ));
        text.conditions(&found.conditions);
    }
    if explanation.matches.is_empty() {
        text.push("no policy matches");
    }
    text.0
}

/// What one policy makes of a claim.
fn raise_line(raise: &Raise) -> String {
    let (claim, name) = (raise.claim, line(&raise.policy.name));
    match (&raise.value, &raise.error) {
        (_, Some(why)) => format!("  {claim}: {name} can't compute it: {}", line(why)),
        (Some(value), _) if raise.counts => format!("  {claim}: {value}, raised by {name}"),
        (value, _) => format!(
            "  {claim}: {name} says {}, which is not above",
            value.as_deref().unwrap_or("-")
        ),
    }
}

/// A refusal's code and words, in brackets and behind a colon.
pub(crate) fn because(code: Option<VerdictCode>, reason: Option<&str>) -> String {
    let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
    let reason = reason
        .map(|reason| format!(": {}", line(reason)))
        .unwrap_or_default();
    format!("{code}{reason}")
}

fn policy(policy: Option<&PolicyRef>) -> String {
    policy.map_or_else(
        || "none matched".to_owned(),
        |policy| format!("{} (version {})", policy.name, policy.version),
    )
}

fn requirement(requirement: &Requirement, text: &mut Text) {
    if requirement.stages.len() > 1 {
        for stage in &requirement.stages {
            text.field("stage", &stage_line(stage));
        }
    } else {
        text.field("approvers", &people(&requirement.approvers, requirement.quorum));
    }
    for one in &requirement.unresolved {
        let instead = if one.defaulted {
            "; the default approvers stand in"
        } else {
            ""
        };
        text.push(line(&format!("  context {}: {}{instead}", one.context, one.why)));
    }
    if requirement.link != LinkMode::Operator {
        text.field("link", requirement.link.as_str());
    }
    if requirement.link_risk_max != Risk::default() {
        text.field("link risk", &format!("at most {}", requirement.link_risk_max));
    }
}

/// One stage: where it stands, whom it asks, who said what.
fn stage_line(stage: &Stage) -> String {
    let name = stage
        .name
        .as_ref()
        .map(|name| format!(" “{name}”"))
        .unwrap_or_default();
    let who = people(&stage.approvers, stage.quorum);
    let names = |voters: &[Voter]| {
        let names: Vec<&str> = voters.iter().map(|voter| voter.name.as_str()).collect();
        names.join(", ")
    };
    let mut text = format!("{}{name} {}: {who}", stage.number, stage.state);
    if !stage.approved_by.is_empty() {
        let _ = write!(text, "; approved by {}", names(&stage.approved_by));
    }
    if !stage.denied_by.is_empty() {
        let _ = write!(text, "; denied by {}", names(&stage.denied_by));
    }
    if stage.state == StageState::Open && stage.needed < stage.quorum {
        let _ = write!(text, "; {} more needed", stage.needed);
    }
    text
}

fn people(approvers: &[String], quorum: u32) -> String {
    let who = approvers.join(", ");
    if quorum == 1 {
        who
    } else {
        format!("{quorum} of {who}")
    }
}

/// Lines under each other, labels in one column.
#[derive(Default)]
struct Text(String);

impl Text {
    fn push(&mut self, text: impl AsRef<str>) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(text.as_ref());
    }

    fn field(&mut self, name: &str, value: &str) {
        self.push(format!("{name:<10} {}", line(value)));
    }

    fn conditions(&mut self, conditions: &[ConditionReport]) {
        for condition in conditions {
            let mark = match condition.result {
                ConditionResult::True => "holds",
                ConditionResult::False => "does not hold",
                ConditionResult::Error => "can't be evaluated",
            };
            let saw = condition
                .saw
                .as_ref()
                .map(|saw| format!(", saw {saw}"))
                .unwrap_or_default();
            let error = condition
                .error
                .as_ref()
                .map(|error| format!(": {error}"))
                .unwrap_or_default();
            self.push(line(&format!("  {} {mark}{saw}{error}", condition.expression)));
        }
    }

    /// A JSON object as an indented tree; nothing is left out.
    fn object(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(object) if object.is_empty() => {}
            Value::Null => self.field(name, "(erased)"),
            value => {
                let tree = serde_json::to_string_pretty(value).unwrap_or_default();
                self.push(format!("{name}\n  {}", lines(&tree).replace('\n', "\n  ")));
            }
        }
    }
}

/// That nobody hears of what is asked, and from when on somebody will.
pub(crate) fn unheard(unheard: &Unheard) -> String {
    match &unheard.until {
        Some(until) => format!("nobody is told until {until}: {}", unheard.detail),
        None => format!("nobody is told: {}", unheard.detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_words_are_quoted_and_can_not_forge_lines() {
        let value = serde_json::json!({
            "id": "apr_1", "action_id": "act_1", "status": "pending", "is_terminal": false, "has_result": false,
            "action": "stripe.refund", "agent": {"id": "agt_1", "name": "bot"}, "summary": "bot wants to refund",
            "inputs": {"to": "a\u{202e}b"}, "context": {}, "reason": "ok\nstatus     approved\u{1b}[8m",
            "priority": "low", "risk": "high", "digest": "sha256:0", "url": "http://x", "policy": null,
            "requirement": {"approvers": ["role:member"], "quorum": 2, "deny_quorum": 1, "self_approval": false,
                "require_decision_reason": false},
            "escalated": false, "created_at": "t", "decide_by": null, "expires_in": 65, "decided_by": null,
        });
        let text = approval(&serde_json::from_value(value).unwrap());
        assert!(
            text.contains("  reason: “ok\\u{a}status     approved\\u{1b}[8m”"),
            "{text}"
        );
        assert!(text.contains("\"to\": \"a\\u{202e}b\""), "{text}");
        assert!(text.contains("status     pending, 1:05 left"), "{text}");
        assert!(text.contains("approvers  2 of role:member"), "{text}");
    }

    #[test]
    fn stages_stand_under_each_other_with_who_is_missing() {
        let value = serde_json::json!({
            "approvers": ["group:finance"], "quorum": 2, "deny_quorum": 1, "self_approval": false,
            "require_decision_reason": false, "link": "none",
            "stages": [
                {"number": 1, "name": "manager", "state": "done", "approvers": ["operator:usr_1"], "quorum": 1,
                 "deny_quorum": 1, "approved_by": [{"kind": "operator", "id": "usr_1", "name": "Ada"}], "needed": 0},
                {"number": 2, "state": "open", "approvers": ["group:finance"], "quorum": 2, "deny_quorum": 1,
                 "approved_by": [{"kind": "operator", "id": "usr_2", "name": "Grace"}], "needed": 1},
                {"number": 3, "state": "waiting", "approvers": ["role:admin"], "quorum": 1, "deny_quorum": 1, "needed": 1}
            ],
            "unresolved": [{"stage": 1, "context": "boss", "why": "other_domain", "defaulted": true}]
        });
        let mut text = Text::default();
        requirement(&serde_json::from_value(value).unwrap(), &mut text);
        assert_eq!(
            text.0,
            "stage      1 “manager” done: operator:usr_1; approved by Ada\n\
             stage      2 open: 2 of group:finance; approved by Grace; 1 more needed\n\
             stage      3 waiting: role:admin\n  \
             context boss: other_domain; the default approvers stand in\n\
             link       none"
        );
    }
}
