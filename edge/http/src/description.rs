//! What the description of the routes says of problems: each route lists its own, and this makes answers of them.

use crate::problem::{ProblemCode, ProblemDocument};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

/// Problems of every route.
pub const ANY: &[ProblemCode] =
    &[ProblemCode::TooManyRequests, ProblemCode::Busy, ProblemCode::DirectoryUnavailable];
/// Those of routes with parts of the path.
pub const PATH: &[ProblemCode] = &[ProblemCode::PathInvalid, ProblemCode::NotFound];
/// Those of routes with a query.
pub const QUERY: &[ProblemCode] = &[ProblemCode::QueryInvalid];
/// Those of routes with a body.
pub const BODY: &[ProblemCode] = &[
    ProblemCode::ContentType,
    ProblemCode::JsonInvalid,
    ProblemCode::JsonTooDeep,
    ProblemCode::BodyInvalid,
    ProblemCode::BodyTooLong,
    ProblemCode::BodyTooLate,
    ProblemCode::BodyIncomplete,
];
/// Those of routes for whoever has logged in.
pub const USER: &[ProblemCode] = &[
    ProblemCode::LoginNeeded,
    ProblemCode::TokenInvalid,
    ProblemCode::TokenExpired,
    ProblemCode::SessionEnded,
    ProblemCode::Banned,
];
/// Those of routes for admins, besides.
pub const ADMIN: &[ProblemCode] = &[ProblemCode::AdminOnly];
/// Those of routes for services, besides.
pub const SERVICE: &[ProblemCode] = &[ProblemCode::KeyInvalid, ProblemCode::ScopeMissing];
/// Those of routes that take a password.
pub const PASSWORD: &[ProblemCode] = &[ProblemCode::PlainPassword];

/// The answers for problems, one for each status.
pub fn answers(groups: &[&[ProblemCode]]) -> BTreeMap<String, RefOr<Response>> {
    let codes: BTreeSet<ProblemCode> = groups.iter().copied().flatten().copied().collect();
    let mut of_status = BTreeMap::<u16, Vec<ProblemCode>>::new();
    for code in codes {
        of_status.entry(code.status().as_u16()).or_default().push(code);
    }
    let answer = |codes: Vec<ProblemCode>| {
        let words = codes
            .iter()
            .map(|code| format!("`{}`: {}", code.as_str(), code.title(crate::language::Language::English)));
        let schema = Ref::from_schema_name(ProblemDocument::name());
        let content =
            ContentBuilder::new().schema(Some(RefOr::<utoipa::openapi::Schema>::Ref(schema))).build();
        ResponseBuilder::new()
            .description(words.collect::<Vec<_>>().join("; "))
            .content("application/problem+json", content)
            .build()
    };
    of_status.into_iter().map(|(status, codes)| (status.to_string(), RefOr::T(answer(codes)))).collect()
}

/// The schemas that answers refer to.
pub fn schemas() -> Vec<(String, RefOr<utoipa::openapi::Schema>)> {
    let mut schemas = vec![(ProblemDocument::name().into_owned(), ProblemDocument::schema())];
    ProblemDocument::schemas(&mut schemas);
    schemas
}

/// Declares the problems of a route: `problems!(OfSignUp: ANY, BODY; NameTaken, NameConfusable)`.
macro_rules! problems {
    ($name:ident: $($group:ident),+; $($code:ident),*) => {
        #[doc = "Problems of a route, for its description."]
        pub struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                crate::description::answers(&[
                    $(crate::description::$group,)+
                    &[$(crate::problem::ProblemCode::$code,)*],
                ])
            }
        }
    };
}

pub(crate) use problems;
