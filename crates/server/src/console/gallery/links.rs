//! The page of a personal link in every state.

use askama::Template as _;
use signoff_core::approval::Refusal;
use signoff_core::event::ApprovalStatus;
use signoff_core::id::{OperatorId, RawId};
use signoff_engine::view::{ApprovalView, LinkView, May, Named};

use super::approvals::all_permitted;
use super::pages::stranger;
use super::people::{asked, quorum};
use super::requests::{Ask, critical, ended, hostile, long};
use crate::console::inert::Show;
use crate::console::shown::link::{closed, nothing, open, somebody_elses, whose};
use crate::console::view::approval::Kept;
use crate::console::view::link::{LinkClosed, LinkForm, LinkPage};

fn link(name: &str, approval: ApprovalView) -> LinkView {
    let may = May {
        always: false,
        cancel: false,
        release: false,
        ..all_permitted()
    };
    LinkView {
        operator: Named {
            id: OperatorId(RawId([5; 16])),
            name: name.to_owned(),
        },
        approval,
        decides: Ok(()),
        may,
        grant: None,
        approvers: std::collections::BTreeMap::new(),
    }
}

fn page(link: &LinkView, show: Show, form: LinkForm, kept: Option<Kept>) -> String {
    let page = LinkPage {
        shell: stranger("For Dana Lee"),
        whose: whose(link),
        approval: open(link, show, kept).expect("renders"),
        form: LinkForm {
            bound: "00".repeat(32),
            ..form
        },
    };
    page.render().expect("renders")
}

fn shut(page: &LinkClosed) -> String {
    page.render().expect("renders")
}

fn kept() -> Kept {
    Kept {
        problem: "This came too late: Denied by Grace Hopper. Nothing was changed.".to_owned(),
        text: "Fine with me.".to_owned(),
    }
}

pub(super) fn all() -> Vec<(&'static str, String)> {
    let dana = |view: ApprovalView| link("Dana Lee", view);
    let plain = || LinkForm::default();
    let back = LinkForm {
        chosen: "deny".to_owned(),
        text: "No ticket says so.".to_owned(),
        problem: Some("Confirm that you are Dana Lee and have read what would happen.".to_owned()),
        ..plain()
    };
    let voted = quorum();
    let mut second = dana(voted);
    second.may.approve = Err(Refusal::AlreadyVoted);
    let too_risky = dana(critical().view());
    let done = dana(ended(
        Ask::default().view(),
        ApprovalStatus::Approved,
        Some("Dana Lee"),
        None,
    ));
    let late = dana(ended(
        Ask::default().view(),
        ApprovalStatus::Denied,
        Some("Grace Hopper"),
        Some("The customer was refunded yesterday already, see SUP-4390."),
    ));
    let ended = |status| Refusal::Ended(status);
    let for_dana = || stranger("For Dana Lee");
    vec![
        (
            "link",
            page(&dana(Ask::default().view()), Show::Start, plain(), None),
        ),
        (
            "link-back",
            page(&dana(Ask::default().view()), Show::Start, back, None),
        ),
        (
            "link-long",
            page(&dana(long().view()), Show::Start, plain(), None),
        ),
        (
            "link-long-full",
            page(&dana(long().view()), Show::All, plain(), None),
        ),
        ("link-critical", page(&too_risky, Show::Start, plain(), None)),
        (
            "link-asked",
            page(&dana(asked()), Show::Start, plain(), Some(kept())),
        ),
        ("link-quorum", page(&second, Show::Start, plain(), None)),
        (
            "link-hostile",
            page(
                &link("Dana\u{202e}<img src=x> <b>Harmless", hostile().view()),
                Show::All,
                plain(),
                None,
            ),
        ),
        (
            "link-risky",
            shut(&closed(&too_risky, &Refusal::SignInFirst, for_dana(), None)),
        ),
        (
            "link-done",
            shut(&closed(&done, &ended(ApprovalStatus::Approved), for_dana(), None)),
        ),
        (
            "link-late",
            shut(&closed(
                &late,
                &ended(ApprovalStatus::Denied),
                for_dana(),
                Some(kept()),
            )),
        ),
        (
            "link-other",
            shut(&somebody_elses(
                &link("Dana\u{200b}<script>alert(1)</script>", hostile().view()),
                "Grace\u{202e} Hopper",
                for_dana(),
                None,
            )),
        ),
        (
            "link-nothing",
            shut(&nothing(stranger("This link opens nothing"), None)),
        ),
    ]
}
