//! Others.

use super::paging::{limit, no_cursor};
use super::shown::ShownUser;
use crate::api::Api;
use crate::description::problems;
use crate::extract::{PathOf, Query, User};
use crate::problem::Problem;
use crate::settings::UserSearch;
use axum::extract::State;
use madang_directory::{ListCursor, Role};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

problems!(OfUser: ANY, PATH, USER; NoAccount);
problems!(OfUsers: ANY, QUERY, USER; BadValue);

/// An account, by its name.
#[utoipa::path(
    get, path = "/users/{name}", tag = "users", operation_id = "get_user",
    params(("name" = String, Path, description = "The name of the account.")), security(("access_token" = [])),
    responses((status = 200, description = "The account.", body = ShownUser), OfUser),
)]
pub async fn get(
    State(api): State<Api>,
    _user: User,
    PathOf(name): PathOf<String>,
) -> Result<axum::Json<ShownUser>, Problem> {
    let account = api.ask(move |directory| directory.account(&name)).await?;
    Ok(axum::Json(ShownUser::from(&account)))
}

/// What is looked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsersQuery {
    /// The beginning of a name or display name, or first consonants of Korean syllables: `ㅎㄱㄷ` finds 홍길동.
    #[param(example = "ㅎㄱ", max_length = 64)]
    prefix: String,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Accounts of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u16>,
}

/// A part of a list of accounts.
#[derive(Serialize, ToSchema)]
#[schema(as = UserPage)]
pub struct ShownUsers {
    /// Those that were found. There may be fewer than were asked for, though others follow.
    items: Vec<ShownUser>,
    /// What to ask for the next part; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// Accounts whose name or display name begins so. An admin finds everyone, others those that they share a room with,
/// unless the operator lets everyone be found.
#[utoipa::path(
    get, path = "/users", tag = "users", operation_id = "find_users", params(UsersQuery),
    security(("access_token" = [])),
    responses((status = 200, description = "A part of them.", body = ShownUsers), OfUsers),
)]
pub async fn find(
    State(api): State<Api>,
    user: User,
    Query(query): Query<UsersQuery>,
) -> Result<axum::Json<ShownUsers>, Problem> {
    let limit = limit(query.limit)?;
    let cursor = query.cursor.as_deref().map(ListCursor::parse).transpose().map_err(|_| no_cursor())?;
    if api.settings().user_search == UserSearch::Shared && user.account.role != Role::Admin {
        // There are no rooms here yet that one could share.
        let found =
            Some(&user.account).filter(|account| account.is_found_by(&query.prefix) && cursor.is_none());
        return Ok(axum::Json(ShownUsers {
            items: found.map(ShownUser::from).into_iter().collect(),
            next: None,
        }));
    }
    let page = api.ask(move |directory| directory.search(&query.prefix, cursor.as_ref(), limit)).await?;
    Ok(axum::Json(ShownUsers {
        items: page.accounts.iter().map(ShownUser::from).collect(),
        next: page.next.map(|next| next.as_str().to_owned()),
    }))
}
