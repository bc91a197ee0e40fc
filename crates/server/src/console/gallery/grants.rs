//! Grants: the list, one of them, and the forms.

use askama::Template;
use signoff_core::grant::{
    CredentialKind, Grant, GrantRow, IdempotentProvider, OauthClientAuth, OauthFlow, Redaction,
};
use signoff_core::id::{GrantId, RawId};
use signoff_core::payload::Hash32;
use signoff_core::time::Micros;
use signoff_engine::view::GrantView;

use super::pages::shell;
use super::requests::{NOW, ago, person};
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::view::approval::HistoryRow;
use crate::console::view::grant::{GrantEditPage, GrantFields, GrantRemovePage, GrantsPage};

fn view(number: u8, grant: Grant) -> GrantView {
    GrantView {
        row: GrantRow {
            id: GrantId(RawId([number; 16])),
            grant,
            fingerprint: format!("{number:02x}c41d0e"),
            digest: Hash32([number; 32]),
            version: 3,
            removed: false,
            created_at: ago(864_000),
            changed_at: ago(7_200),
            changed_seq: 1,
            stop: None,
        },
        is_stopped: number == 8,
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn bearer(name: &str) -> Grant {
    Grant {
        name: name.to_owned(),
        credential: CredentialKind::Bearer,
        origins: texts(&["https://api.stripe.com"]),
        methods: vec![],
        paths: vec![],
        agents: texts(&["billing-*"]),
        labels: std::collections::BTreeMap::new(),
        timeout: None,
        idempotent: None,
        redact: Redaction::default(),
        disabled: false,
    }
}

/// A grant with something of everything.
pub(super) fn grant() -> GrantView {
    view(
        7,
        Grant {
            origins: texts(&["https://api.stripe.com", "https://files.stripe.com"]),
            methods: texts(&["GET", "POST"]),
            paths: texts(&["/v1/refunds*", "/v1/charges/:id"]),
            labels: [("team".to_owned(), "billing".to_owned())].into(),
            idempotent: Some(IdempotentProvider {
                header: "idempotency-key".to_owned(),
                window: Micros::seconds(86_400),
            }),
            redact: Redaction {
                headers: texts(&["x-customer-token"]),
                json: texts(&["/metadata/card/number"]),
            },
            ..bearer("stripe-live")
        },
    )
}

fn all_grants() -> Vec<GrantView> {
    let oauth = CredentialKind::Oauth2 {
        token_url: "https://login.example.com/oauth/token".to_owned(),
        client_id: "signoff".to_owned(),
        scopes: texts(&["invoices.read", "invoices.write"]),
        flow: OauthFlow::RefreshToken,
        client_auth: OauthClientAuth::Body,
    };
    let long = "a-very-long-name-of-a-grant-".repeat(6);
    vec![
        view(
            8,
            Grant {
                credential: oauth,
                agents: vec![],
                ..bearer("books")
            },
        ),
        view(
            9,
            Grant {
                credential: CredentialKind::Header {
                    name: "x-api-key".to_owned(),
                    prefix: "Token ".to_owned(),
                },
                disabled: true,
                ..bearer(&long)
            },
        ),
        grant(),
    ]
}

fn list(grants: &[GrantView], may_change: bool) -> String {
    GrantsPage {
        shell: shell("Grants", "grants"),
        rows: grants.iter().map(shown::grant::line).collect(),
        next_href: (!grants.is_empty()).then(|| "/grants?beyond=100".to_owned()),
        may_change,
        notice: may_change.then_some("The grant is kept. Its value is not shown again."),
    }
    .render()
    .expect("renders")
}

fn one(view: &GrantView, change: bool) -> String {
    let may = shown::grant::May { stop: true, change };
    let mut page = shown::grant::page(shell("Grant", "grants"), view, &[], may, NOW);
    page.history = [
        (61, "Ada Lovelace set the grant stripe-live (version 3)"),
        (12, "Ada Lovelace set the grant stripe-live (version 1)"),
    ]
    .map(|(sequence, what)| HistoryRow {
        sequence,
        href: format!("/audit/{sequence}"),
        what: Inert::all(what),
        who: shown::who(&person("Ada Lovelace")),
        at: shown::moment(ago(7_200), NOW),
    })
    .to_vec();
    page.render().expect("renders")
}

fn edit(present: Option<&GrantView>, form: GrantFields, problems: &[(&str, &str)]) -> String {
    GrantEditPage {
        shell: shell("Grant", "grants"),
        present: present.map(|view| Inert::all(&view.row.grant.name)),
        action: "/grants/new".to_owned(),
        back: "/grants".to_owned(),
        form,
        problems: problems
            .iter()
            .map(|(at, why)| shown::grant::fault(at, why))
            .collect(),
    }
    .render()
    .expect("renders")
}

pub(super) fn all() -> Vec<(&'static str, String)> {
    let grants = all_grants();
    let faults = [
        (
            "/origins/1",
            "an origin is scheme, host and port alone, such as https://api.example.com",
        ),
        ("/value", "give the credential itself"),
    ];
    let remove = GrantRemovePage {
        shell: shell("Grant", "grants"),
        line: shown::grant::line(&grants[2]),
    };
    vec![
        ("grants", list(&grants, true)),
        ("grants-none", list(&[], false)),
        ("grant", one(&grants[2], true)),
        ("grant-stopped", one(&grants[0], false)),
        ("grant-new", edit(None, GrantFields::default(), &[])),
        (
            "grant-edit",
            edit(Some(&grants[2]), shown::grant::fields(&grants[2]), &[]),
        ),
        (
            "grant-edit-oauth",
            edit(Some(&grants[0]), shown::grant::fields(&grants[0]), &faults),
        ),
        ("grant-remove", remove.render().expect("renders")),
    ]
}
