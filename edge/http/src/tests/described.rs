//! The description: everything that is answered is in it, and nothing else.

use super::world::{World, description, operation};
use crate::problem::ProblemCode;
use axum::http::Method;
use serde_json::Value;
use std::collections::BTreeSet;

/// Every operation, with its method and path.
fn operations() -> Vec<(String, String, &'static Value)> {
    let paths = description()["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &'static Value)| {
        let operations = item.as_object().unwrap().iter();
        operations
            .map(|(method, operation)| (method.to_uppercase(), path.clone(), operation))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

#[tokio::test]
async fn the_description_is_openapi_3_1_and_names_each_operation_once() {
    let world = World::new();
    let answered = world.get("/api/openapi.json").send().await.expect(200);
    assert_eq!(answered.header("content-type"), "application/json");
    assert_eq!(&answered.json(), description());
    assert!(description()["openapi"].as_str().unwrap().starts_with("3.1"));
    let ids: BTreeSet<_> =
        operations().iter().map(|(_, _, operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), operations().len()), (23, 23), "{ids:?}");
    for (method, path, operation) in operations() {
        assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{method} {path}");
        assert!(operation["security"].is_array(), "{method} {path}");
        // Each part of the path is described.
        let parts = path.matches('{').count();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        assert_eq!(parameters.iter().filter(|parameter| parameter["in"] == "path").count(), parts, "{path}");
    }
}

#[tokio::test]
async fn every_described_route_is_there_and_answers_as_described() {
    let world = World::new();
    for (method, path, operation) in operations() {
        // Without a token, a body or a right value in the path: whatever is answered is described (`world` looks).
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let concrete = path.replace("{id}", "7").replace("{name}", "nobody").replace("{code}", "none");
        let answered = world.request(method.clone(), &concrete).send().await;
        assert!(
            !["not-found", "method-not-allowed"].contains(&answered.text("/code").as_str()),
            "{method} {path}"
        );
        if path.ends_with("/refresh") {
            // What it is asked with is its body.
            continue;
        }
        let needs_nobody =
            operation["security"].as_array().unwrap().iter().any(|way| way.as_object().unwrap().is_empty());
        assert_eq!(answered.status != 401, needs_nobody, "{method} {path}");
    }
}

#[test]
fn every_code_of_a_problem_is_one_of_some_route() {
    let all: String =
        operations().iter().map(|(_, _, operation)| operation["responses"].to_string()).collect();
    for code in ProblemCode::ALL {
        let is_described = all.contains(&format!("`{}`", code.as_str()));
        // Whatever is no route has these.
        assert_eq!(is_described, *code != ProblemCode::MethodNotAllowed, "{}", code.as_str());
    }
}

#[test]
fn bodies_allow_no_other_fields_and_every_reference_leads_somewhere() {
    let text = description().to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(description().pointer(pointer).is_some(), "{pointer}");
    }
    for (method, path, operation) in operations() {
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        let reference = body["$ref"].as_str().or_else(|| body["oneOf"][0]["$ref"].as_str());
        let Some(reference) = reference else {
            assert!(operation.get("requestBody").is_none(), "{method} {path}: {body}");
            continue;
        };
        let schema = description().pointer(reference.trim_start_matches('#')).unwrap();
        assert_eq!(schema["additionalProperties"], false, "{method} {path}");
    }
    assert!(operation(&Method::GET, "/api/v1/users/alice").is_some());
}

#[tokio::test]
async fn the_page_of_the_description_loads_nothing_from_elsewhere() {
    let world = World::new();
    assert_eq!(world.get("/api/docs").send().await.expect(303).header("location"), "/api/docs/");
    let page = world.get("/api/docs/").send().await.expect(200);
    let text = String::from_utf8(page.body.clone()).unwrap();
    assert!(page.header("content-security-policy").starts_with("default-src 'self'"));
    assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("src=\"//"), "{text}");
    let script = world.get("/api/docs/swagger-initializer.js").send().await.expect(200);
    assert!(String::from_utf8(script.body).unwrap().contains("/api/openapi.json"));
    for file in ["swagger-ui-bundle.js", "swagger-ui.css"] {
        world.get(&format!("/api/docs/{file}")).send().await.expect(200);
    }
    world.get("/api/docs/nothing.js").send().await.refused(404, "not-found");
}
