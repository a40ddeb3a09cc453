//! The audit log.

use crate::api::Api;
use crate::description::problems;
use crate::extract::{Admin, Query};
use crate::problem::Problem;
use crate::routes::paging::{cursor_of, limit, number_of};
use crate::routes::shown::ShownActor;
use crate::time::rfc3339;
use axum::extract::State;
use madang_directory::AuditEntry;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

problems!(OfLog: ANY, QUERY, USER, ADMIN;);

/// What is acted on.
#[derive(Serialize, ToSchema)]
#[schema(as = Target)]
pub struct ShownTarget {
    /// `account`, `key` or `sign-up-code`.
    #[schema(example = "account")]
    kind: &'static str,
    /// Its number.
    id: i64,
}

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct ShownEntry {
    /// 1, 2, 3 …: later entries have higher numbers.
    id: i64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Who.
    actor: ShownActor,
    /// What.
    #[schema(example = "account.ban")]
    act: String,
    /// Whom.
    target: ShownTarget,
    /// Why, as it was given; may be empty.
    reason: String,
    /// What else belongs to the act.
    details: String,
}

impl From<AuditEntry> for ShownEntry {
    fn from(entry: AuditEntry) -> ShownEntry {
        let (kind, id) = entry.target.stored();
        ShownEntry {
            id: entry.id,
            at: rfc3339(entry.at),
            actor: entry.actor.into(),
            act: entry.act,
            target: ShownTarget { kind, id },
            reason: entry.reason,
            details: entry.details,
        }
    }
}

/// A part of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditPage)]
pub struct ShownLog {
    /// The newest first.
    items: Vec<ShownEntry>,
    /// What to ask for the part before; absent at the beginning of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// Which part is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Entries of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u16>,
}

/// Who did what to whom, why and when: the newest first.
#[utoipa::path(
    get, path = "/admin/audit", tag = "admin", operation_id = "read_audit_log", params(LogQuery),
    security(("access_token" = [])),
    responses((status = 200, description = "A part of the log.", body = ShownLog), OfLog),
)]
pub async fn read(
    State(api): State<Api>,
    _admin: Admin,
    Query(query): Query<LogQuery>,
) -> Result<axum::Json<ShownLog>, Problem> {
    let limit = limit(query.limit)?;
    let before = number_of(query.cursor.as_deref())?;
    let page = api.ask(move |directory| directory.audit(before, limit)).await?;
    Ok(axum::Json(ShownLog {
        items: page.entries.into_iter().map(ShownEntry::from).collect(),
        next: page.next.map(cursor_of),
    }))
}
