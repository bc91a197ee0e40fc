//! Who may do what: the table of the design brief, section 8, in one place. Doors name the operation, the engine asks
//! here, a test walks the API description against it.

use crate::{
    actor::{Auth, Principal},
    requirement::Role,
};

/// Something a door can ask for, as far as authority tells it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Submit, check, consume, report.
    Ask,
    /// Answer a question of an approver.
    AnswerInfo,
    /// See one's own actions and their approvals; operators see all.
    SeeActions,
    /// See policies, agents, people, stats, audit.
    SeeWorkspace,
    /// Explain how policy judges an action.
    Explain,
    /// Withdraw a request: one's own, or as an admin anyone's.
    Cancel,
    /// Vote and ask back, where the requirement names the voter.
    Decide,
    /// Take a standing approval back.
    RevokeStanding,
    /// Settle an execution whose end is unknown.
    Settle,
    /// Pull the kill switch.
    Stop,
    /// Lift what the kill switch stopped.
    LiftStop,
    /// Policies, agents, keys, channels, operators, settings, erasure.
    Govern,
    /// One's own personal tokens.
    OwnTokens,
    /// How one is reached.
    OwnContact,
    /// Prove to be somebody at a channel: for oneself alone, and only people.
    LinkSelf,
    /// Learn who one is.
    WhoAmI,
}

/// What the table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permit {
    /// Yes.
    All,
    /// Only for what belongs to the principal; anything else does not exist for it.
    Own,
    /// No.
    Never,
}

/// The table.
pub fn permit(principal: &Principal, operation: Operation) -> Permit {
    use Operation as Op;
    // A personal link opens its one approval, and a button of a message is about one, whoever it was made for.
    let by_message = matches!(
        principal,
        Principal::Operator {
            auth: Auth::Link | Auth::Channel,
            ..
        }
    );
    if by_message && !matches!(operation, Op::SeeActions | Op::Decide) {
        return Permit::Never;
    }
    let asks = matches!(principal, Principal::Agent(_) | Principal::Application(_));
    match (principal.role(), operation) {
        (None, Op::Ask | Op::AnswerInfo | Op::SeeActions | Op::Cancel | Op::Explain) if asks => Permit::Own,
        (_, Op::WhoAmI)
        | (Some(_), Op::SeeActions | Op::SeeWorkspace | Op::Explain)
        | (Some(Role::Member | Role::Admin), Op::Decide | Op::RevokeStanding | Op::Stop)
        | (
            Some(Role::Admin),
            Op::Cancel | Op::Settle | Op::LiftStop | Op::Govern | Op::OwnTokens | Op::OwnContact,
        ) => Permit::All,
        (Some(Role::Viewer | Role::Member), Op::OwnTokens | Op::OwnContact) => Permit::Own,
        (Some(_), Op::LinkSelf) if matches!(principal, Principal::Operator { .. }) => Permit::Own,
        _ => Permit::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AgentId, ApplicationId, OperatorId, RawId};

    /// I6: asking is not deciding.
    #[test]
    fn i6_no_agent_or_application_decides_or_governs() {
        for principal in [
            Principal::Agent(AgentId(RawId([1; 16]))),
            Principal::Application(ApplicationId(RawId([2; 16]))),
        ] {
            for operation in [
                Operation::Decide,
                Operation::RevokeStanding,
                Operation::Settle,
                Operation::Stop,
                Operation::LiftStop,
                Operation::Govern,
                Operation::SeeWorkspace,
                Operation::OwnTokens,
                Operation::OwnContact,
            ] {
                assert_eq!(
                    permit(&principal, operation),
                    Permit::Never,
                    "{principal:?} {operation:?}"
                );
            }
        }
    }

    /// I6: whoever holds an admin's link, or presses a button as an admin, can see and decide what it is about, and govern
    /// nothing.
    #[test]
    fn i6_a_message_decides_and_does_nothing_else() {
        for auth in [Auth::Link, Auth::Channel] {
            let holder = Principal::Operator {
                id: OperatorId(RawId([3; 16])),
                role: Role::Admin,
                auth,
            };
            for operation in [
                Operation::Ask,
                Operation::AnswerInfo,
                Operation::SeeWorkspace,
                Operation::Explain,
                Operation::Cancel,
                Operation::RevokeStanding,
                Operation::Settle,
                Operation::Stop,
                Operation::LiftStop,
                Operation::Govern,
                Operation::OwnTokens,
                Operation::OwnContact,
                Operation::LinkSelf,
                Operation::WhoAmI,
            ] {
                assert_eq!(
                    permit(&holder, operation),
                    Permit::Never,
                    "{auth:?} {operation:?}"
                );
            }
            assert_eq!(permit(&holder, Operation::Decide), Permit::All);
            assert_eq!(permit(&holder, Operation::SeeActions), Permit::All);
        }
    }

    #[test]
    fn people_see_members_decide_admins_govern() {
        let person = |role| Principal::Operator {
            id: OperatorId(RawId([3; 16])),
            role,
            auth: Auth::Token,
        };
        assert_eq!(
            permit(&person(Role::Viewer), Operation::SeeWorkspace),
            Permit::All
        );
        assert_eq!(permit(&person(Role::Viewer), Operation::Decide), Permit::Never);
        assert_eq!(permit(&person(Role::Member), Operation::Decide), Permit::All);
        assert_eq!(permit(&person(Role::Member), Operation::Govern), Permit::Never);
        assert_eq!(permit(&person(Role::Member), Operation::Cancel), Permit::Never);
        assert_eq!(permit(&person(Role::Viewer), Operation::Stop), Permit::Never);
        assert_eq!(permit(&person(Role::Member), Operation::Stop), Permit::All);
        assert_eq!(permit(&person(Role::Member), Operation::LiftStop), Permit::Never);
        assert_eq!(permit(&person(Role::Admin), Operation::LiftStop), Permit::All);
        assert_eq!(permit(&person(Role::Admin), Operation::Govern), Permit::All);
        assert_eq!(permit(&person(Role::Admin), Operation::Ask), Permit::Never);
    }
}
