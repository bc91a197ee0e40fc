//! `/v1/policies`: the rules in force, their versions, and why one of them governs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use signoff_api::action::Submit;
use signoff_api::limits::POLICY_SET_BYTES_MAX;
use signoff_api::lint::{Findings, PolicyLint};
use signoff_api::policy::{
    Explanation, Policy, PolicyApplied, PolicyApply, PolicyBody, PolicyRemoveQuery, PolicySet, PolicyVersion,
};
use signoff_api::{Page, PageQuery};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{Body, OptionalBody};
use super::convert::{self, ToCore, ToWire};
use super::cursor::Listing;
use super::idempotency::{IdempotencyKey, IdempotencyParam};
use super::path::At;
use super::principal::{As, Explain, Govern, SeeWorkspace};
use super::query::{NoQuery, Query, limit};
use super::{Answer, Refused};
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(policy_list, policy_apply, policy_create))
        .routes(routes!(policy_explain))
        .routes(routes!(policy_lint))
        .routes(routes!(policy_view, policy_update, policy_remove))
        .routes(routes!(policy_versions))
}

/// The policies in force
#[utoipa::path(
    get, path = "/v1/policies", tag = "policies",
    responses((status = 200, description = "The set, oldest policy first", body = PolicySet)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn policy_list(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
) -> Answer<PolicySet> {
    Ok(Json(doors.engine().policies(&caller.caller)?.to_wire()))
}

/// Apply a whole policy set
///
/// Puts it in place of the present one as one version; what is not in it is removed. What is pending is judged
/// again. With `dry_run` it only says what would change. The body may have up to 16 MiB.
#[utoipa::path(
    put, path = "/v1/policies", tag = "policies", params(IdempotencyParam), request_body = PolicyApply,
    responses((status = 200, description = "What changed, or would change", body = PolicyApplied)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn policy_apply(
    caller: As<Govern>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(set): Body<PolicyApply, POLICY_SET_BYTES_MAX>,
) -> Answer<PolicyApplied> {
    let set = convert::apply(set)?;
    Ok(Json(
        doors
            .engine()
            .apply_policies(&caller.caller, set, key.get())
            .await?
            .to_wire(),
    ))
}

/// Add a policy
#[utoipa::path(
    post, path = "/v1/policies", tag = "policies", params(IdempotencyParam), request_body = PolicyBody,
    responses((status = 201, description = "The policy", body = Policy)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn policy_create(
    caller: As<Govern>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(policy): Body<PolicyBody>,
) -> Result<(StatusCode, Json<Policy>), Refused> {
    let doc = convert::policy_doc(policy)?;
    let policy = doors
        .engine()
        .create_policy(&caller.caller, doc, key.get())
        .await?;
    Ok((StatusCode::CREATED, Json(policy.to_wire())))
}

/// Explain a verdict
///
/// What a check would answer, with every policy that matches and why it does or does not govern.
#[utoipa::path(
    post, path = "/v1/policies/explain", tag = "policies", request_body = Submit,
    responses((status = 200, description = "The verdict and why", body = Explanation)),
    extensions(("x-signoff-operation" = json!(Explain::NAME)))
)]
pub(crate) async fn policy_explain(
    caller: As<Explain>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    Body(action): Body<Submit>,
) -> Answer<Explanation> {
    Ok(Json(
        doors
            .engine()
            .explain(&caller.caller, &convert::submit(action)?)
            .await?
            .to_wire(),
    ))
}

/// Look for what is wrong
///
/// Policies that never govern, conditions that never hold, requirements that nobody can meet, names of what is not
/// there: in the set in force, or in one to be applied. Every finding is certain, and nothing is stored. The body may
/// have up to 16 MiB.
#[utoipa::path(
    post, path = "/v1/policies/lint", tag = "policies", request_body = Option<PolicyLint>,
    responses((status = 200, description = "What was found, the worst first", body = Findings)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn policy_lint(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    OptionalBody(set): OptionalBody<PolicyLint, POLICY_SET_BYTES_MAX>,
) -> Answer<Findings> {
    let (policies, approvers) = convert::to_lint(set)?;
    let findings = doors.engine().lint(&caller.caller, policies, approvers)?;
    Ok(Json(Findings {
        findings: findings.to_wire(),
    }))
}

/// Read a policy
#[utoipa::path(
    get, path = "/v1/policies/{name}", tag = "policies", params(("name" = String, Path, description = "Name or `pol_…`")),
    responses((status = 200, description = "The policy", body = Policy)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn policy_view(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
) -> Answer<Policy> {
    Ok(Json(doors.engine().policy(&caller.caller, &name)?.to_wire()))
}

/// Put a policy
///
/// Replaces it in a new version, or adds it if there is none of the name.
#[utoipa::path(
    put, path = "/v1/policies/{name}", tag = "policies",
    params(("name" = String, Path, description = "Name or `pol_…`")), request_body = PolicyBody,
    responses((status = 200, description = "The policy in its new version", body = Policy)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn policy_update(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
    Body(policy): Body<PolicyBody>,
) -> Answer<Policy> {
    let doc = convert::policy_doc(policy)?;
    Ok(Json(
        doors
            .engine()
            .put_policy(&caller.caller, &name, doc)
            .await?
            .to_wire(),
    ))
}

/// Remove a policy
///
/// What is pending under it is judged again; `orphaned` says what becomes of what no policy governs any more.
#[utoipa::path(
    delete, path = "/v1/policies/{name}", tag = "policies",
    params(("name" = String, Path, description = "Name or `pol_…`"), PolicyRemoveQuery),
    responses((status = 204, description = "Removed")),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn policy_remove(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(name): At<String>,
    Query(query): Query<PolicyRemoveQuery>,
) -> Result<StatusCode, Refused> {
    let orphaned = query.orphaned.map(ToCore::to_core);
    doors
        .engine()
        .remove_policy(&caller.caller, &name, orphaned)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Versions of a policy
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/policies/{name}/versions", tag = "policies",
    params(("name" = String, Path, description = "Name or `pol_…`"), PageQuery),
    responses((status = 200, description = "One page", body = Page<PolicyVersion>)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn policy_versions(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    At(name): At<String>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<PolicyVersion>> {
    let limit = limit(query.limit)?;
    let listing = Listing::new(caller.caller.workspace, "policy_versions", &name);
    let versions = doors.engine().policy_versions(&caller.caller, &name).await?;
    Ok(Json(listing.slice(
        versions.to_wire(),
        query.cursor.as_deref(),
        limit,
    )?))
}
