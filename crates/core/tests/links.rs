//! Where people may decide without signing in: by the policy's limit, whatever door the vote came through.

use signoff_core::{
    action::Risk,
    actor::{Actor, Auth},
    approval::{Command, Refusal},
    event::{Ballot, Event, Via, View},
    id::{ChannelId, RawId},
    payload::Hash32,
    policy::{ApprovalTerms, PolicyDoc, PolicyEffect},
    requirement::LinkMode,
};

mod machine;
mod support;
use machine::{Start, folded, pending, step};
use support::{DIGEST, operator, person};

const LINK: Via = Via::Link { told_seq: 12 };
const BUTTON: Via = Via::Channel {
    id: ChannelId(RawId([4; 16])),
};

fn cast(start: &Start, ballot: Ballot, via: Option<Via>) -> Result<Option<Event>, Refusal> {
    let view = View {
        digest: Hash32([1; 32]),
        build: "test".into(),
        locale: "en".into(),
        via,
    };
    let command = Command::Vote {
        ballot,
        digest: Some(DIGEST),
        view: Some(view),
        commented: true,
    };
    step(start, &command, &person(operator(1)))
}

/// I8: above the limit no link and no button decides, for or against; who signed in does.
#[test]
fn i8_links_and_buttons_decide_up_to_the_limit() {
    const RISKS: [Risk; 5] = [Risk::Minimal, Risk::Low, Risk::Medium, Risk::High, Risk::Critical];
    for link in [LinkMode::Operator, LinkMode::Anyone, LinkMode::None] {
        for limit in RISKS {
            for risk in RISKS {
                let mut start = pending().needs(|needs| {
                    needs.link = link;
                    needs.link_risk_max = limit;
                });
                start.row.risk = risk;
                let open = link != LinkMode::None && risk <= limit;
                assert_eq!(start.row.decides_elsewhere(), open);
                for ballot in [Ballot::Approve, Ballot::Deny] {
                    assert!(cast(&start, ballot, None).is_ok());
                    for via in [LINK, BUTTON] {
                        let expected = if open { None } else { Some(Refusal::SignInFirst) };
                        assert_eq!(
                            cast(&start, ballot, Some(via)).err(),
                            expected,
                            "{link} {limit} {risk} {ballot} {via:?}"
                        );
                    }
                }
            }
        }
    }
}

/// A vote says where it was cast, in its record and in the row, and only where there is something to say.
#[test]
fn a_vote_says_where_it_was_cast() {
    for (via, level) in [(None, 1), (Some(LINK), 5), (Some(BUTTON), 5)] {
        let start = pending();
        let event = cast(&start, Ballot::Approve, via).unwrap().unwrap();
        assert_eq!(event.feature_level(), level);
        let row = folded(&start, event, &person(operator(1)));
        assert_eq!(row.votes[0].via, via);
        let written = serde_json::to_value(&row.votes[0]).unwrap();
        assert_eq!(written.get("via").is_some(), via.is_some());
    }
    let by = |auth| Actor {
        auth: Some(auth),
        ..person(operator(1))
    };
    assert_eq!(by(Auth::Link).feature_level(), 5);
    assert_eq!(by(Auth::Session).feature_level(), 1);
}

#[test]
fn a_policy_says_up_to_which_risk() {
    let doc = |link, link_risk_max| PolicyDoc {
        approval: ApprovalTerms {
            link,
            link_risk_max,
            ..ApprovalTerms::default()
        },
        ..PolicyDoc::new("p", PolicyEffect::RequireApproval)
    };
    assert_eq!(doc(None, None).feature_level(), 1);
    for link in [None, Some(LinkMode::Operator), Some(LinkMode::Anyone)] {
        let doc = doc(link, Some(Risk::Critical));
        doc.check().unwrap();
        assert_eq!(doc.feature_level(), 5);
        let written = serde_json::to_value(&doc).unwrap();
        assert_eq!(written["approval"]["link_risk_max"], "critical");
    }
    let problem = doc(Some(LinkMode::None), Some(Risk::Low)).check().unwrap_err();
    assert_eq!(problem.pointer, "/approval/link_risk_max");
    // What else needs an older level never hides the newer one.
    let also = PolicyDoc {
        grant: vec!["stripe".into()],
        risk: None,
        ..doc(None, Some(Risk::Low))
    };
    assert_eq!(also.feature_level(), 5);
}
