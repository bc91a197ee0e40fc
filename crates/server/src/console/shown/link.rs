//! The page of a personal link from what the engine says of the link.

use signoff_core::approval::Refusal;
use signoff_core::event::Ballot;
use signoff_core::requirement::LinkMode;
use signoff_engine::view::LinkView;

use super::people::{may, refused, requirement};
use super::{approval, inbox, moment};
use crate::console::inert::{Inert, Show};
use crate::console::view::approval::Kept;
use crate::console::view::link::{LinkApproval, LinkClosed};
use crate::console::view::{SentenceView, Shell, Status};

/// Whose link it is.
pub fn whose(link: &LinkView) -> Inert {
    Inert::all(&link.operator.name)
}

/// What is decided, as the page of the approval shows it.
pub fn open(link: &LinkView, show: Show, kept: Option<Kept>) -> Result<LinkApproval, askama::Error> {
    let view = &link.approval;
    let matter = approval::matter(view, link.grant.as_ref(), show);
    let seen = matter.seen()?;
    let name_of = |id: &str| id.parse().ok().and_then(|id| link.approvers.get(&id).cloned());
    Ok(LinkApproval {
        digest: view.row.digest.to_string(),
        seen,
        matter,
        status: Status::new(view.row.status.as_str()),
        is_escalated: view.row.escalated_at.is_some(),
        time_left: inbox::time_left(view),
        created: moment(view.row.created_at, view.now),
        requirement: requirement(view, name_of),
        thread: approval::thread(view),
        told: Vec::new(),
        told_nobody: None,
        may: may(&link.may),
        needs_words: view.row.requirement.require_decision_reason,
        so_far: so_far(link),
        kept,
    })
}

/// What its person said before, where that was not the end.
fn so_far(link: &LinkView) -> Option<String> {
    let id = link.operator.id.to_string();
    let mut votes = link.approval.votes.iter();
    let own = votes.find(|vote| vote.actor.id.as_deref() == Some(id.as_str()))?;
    Some(match own.ballot {
        Ballot::Approve => "You approved this. Others decide now; you can still deny it.".to_owned(),
        Ballot::Deny => "You denied this. Others decide now; you can still approve it.".to_owned(),
    })
}

/// What is left of a link that decides nothing, and why.
pub fn closed(link: &LinkView, why: &Refusal, shell: Shell, kept: Option<Kept>) -> LinkClosed {
    let view = &link.approval;
    let page = format!("/approvals/{}", view.row.id);
    let (title, words) = match why {
        Refusal::Ended(_) => ("This link has done its work", Vec::new()),
        Refusal::DeadlinePassed => ("This link has done its work", vec![refused(why)]),
        Refusal::SignInFirst if view.row.requirement.link == LinkMode::None => (
            "This is decided in the console",
            vec!["The policy that asks lets no link decide. Sign in to decide it.".to_owned()],
        ),
        Refusal::SignInFirst => (
            "Too risky to decide from a link",
            vec![format!(
                "Its risk is {}, and the policy that asks lets links decide up to {}. Sign in to decide it.",
                view.row.risk, view.row.requirement.link_risk_max
            )],
        ),
        Refusal::NotNamed => (
            "This link decides nothing any more",
            vec!["Who was told is not among those who decide this now.".to_owned()],
        ),
        other => ("This link decides nothing now", vec![refused(other)]),
    };
    LinkClosed {
        shell,
        whose: Some(whose(link)),
        title,
        sentence: Some(SentenceView::from(&view.sentence)),
        status: Some(Status::new(view.row.status.as_str())),
        outcome: approval::outcome(view, false),
        words: words.iter().map(|words| Inert::all(words)).collect(),
        kept,
        links: vec![("Open it in the console", page)],
    }
}

/// Somebody else is signed in: it says whose link it is, and decides nothing.
pub fn somebody_elses(link: &LinkView, signed_in: &str, shell: Shell, kept: Option<Kept>) -> LinkClosed {
    let words = format!(
        "It was made for {}, and you are signed in as {signed_in}. It decides nothing here; decide as yourself, on your \
         own page.",
        link.operator.name
    );
    LinkClosed {
        shell,
        whose: Some(whose(link)),
        title: "This link is somebody else’s",
        sentence: None,
        status: None,
        outcome: None,
        words: vec![Inert::all(&words)],
        kept,
        links: vec![(
            "Open it as yourself",
            format!("/approvals/{}", link.approval.row.id),
        )],
    }
}

/// A link that opens nothing: it is not said why.
pub fn nothing(shell: Shell, kept: Option<Kept>) -> LinkClosed {
    let words = "It may have been cut off on its way, or it is not valid any more. Look for a newer message, or sign in.";
    LinkClosed {
        shell,
        whose: None,
        title: "This link opens nothing",
        sentence: None,
        status: None,
        outcome: None,
        words: vec![Inert::all(words)],
        kept,
        links: vec![("Sign in", "/sign-in".to_owned())],
    }
}
