//! Which server, and as whom: `SIGNOFF_URL`, `SIGNOFF_API_KEY`, `SIGNOFF_ADMIN_KEY`.

use anyhow::bail;
use signoff_api::Secret;
use signoff_client::Client;

use crate::cli::Global;

/// Where a server is unless told otherwise.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:7070";

/// On which side of the gate a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Agents and applications ask.
    Asker,
    /// People and automations decide and set up.
    Operator,
    /// Whoever has a key.
    Either,
}

/// A client for the command's side.
pub(crate) fn connect(global: &Global, side: Side) -> anyhow::Result<Client> {
    let Some(key) = choose(side, variable("SIGNOFF_API_KEY"), variable("SIGNOFF_ADMIN_KEY")) else {
        match side {
            Side::Asker => bail!(
                "no key: set SIGNOFF_API_KEY to an agent's key (an admin makes one with `signoff agents create NAME`)"
            ),
            Side::Operator | Side::Either => bail!(
                "no key: set SIGNOFF_API_KEY to your personal token (an admin makes one with \
                 `signoff operators create-token`), or SIGNOFF_ADMIN_KEY to the server's"
            ),
        }
    };
    Ok(Client::new(url(global), Some(&key))?)
}

/// The key of the environment, if there is one.
pub(crate) fn connect_as_anyone(global: &Global) -> anyhow::Result<Client> {
    let key = choose(
        Side::Either,
        variable("SIGNOFF_API_KEY"),
        variable("SIGNOFF_ADMIN_KEY"),
    );
    Ok(Client::new(url(global), key.as_ref())?)
}

fn url(global: &Global) -> &str {
    global
        .url
        .as_deref()
        .filter(|url| !url.is_empty())
        .unwrap_or(DEFAULT_URL)
}

/// What keys of agents and applications begin with, in every shape that they come in.
const ASKERS: [&str; 5] = ["sgo_agt_", "sgo_app_", "alter_key_", "alter_ak_", "alter_rk_"];

/// An agent's key can never do an operator's work, so an admin key beside it is meant for that.
fn choose(side: Side, api: Option<Secret>, admin: Option<Secret>) -> Option<Secret> {
    match (side, api, admin) {
        (Side::Asker, api, _) => api,
        (Side::Operator, Some(api), Some(admin)) if only_asks(api.expose()) => Some(admin),
        (Side::Operator | Side::Either, api, admin) => api.or(admin),
    }
}

/// Whether a key is an agent's or an application's, which can never decide.
pub(crate) fn only_asks(key: &str) -> bool {
    let key = key.trim();
    ASKERS.iter().any(|prefix| key.starts_with(prefix))
}

fn variable(name: &str) -> Option<Secret> {
    std::env::var(name)
        .ok()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_presents_the_key_that_can_do_its_work() {
        let (agent, person, admin) = ("sgo_agt_1", "sgo_usr_1", "admin");
        let cases = [
            (Side::Asker, Some(agent), Some(admin), Some(agent)),
            (Side::Asker, None, Some(admin), None),
            (Side::Operator, Some(agent), Some(admin), Some(admin)),
            (Side::Operator, Some("alter_rk_1"), Some(admin), Some(admin)),
            (
                Side::Operator,
                Some("alter_pk_1"),
                Some(admin),
                Some("alter_pk_1"),
            ),
            (Side::Operator, Some(person), Some(admin), Some(person)),
            (Side::Operator, Some(agent), None, Some(agent)),
            (Side::Operator, None, Some(admin), Some(admin)),
            (Side::Either, Some(agent), Some(admin), Some(agent)),
            (Side::Either, None, None, None),
        ];
        for (side, api, admin, expected) in cases {
            let chosen = choose(side, api.map(Secret::new), admin.map(Secret::new));
            assert_eq!(chosen, expected.map(Secret::new), "{side:?} {api:?} {admin:?}");
        }
    }
}
