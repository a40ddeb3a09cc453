//! Whether a value fits a schema, as far as our description uses schemas.

use serde_json::Value;

/// It fits, and has nothing that the schema does not name.
pub fn expect_fits(description: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let found = description.pointer(reference.trim_start_matches('#'));
        let found = found.unwrap_or_else(|| panic!("{place}: {reference} is not there"));
        return expect_fits(description, found, value, place);
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let is_null = |choice: &&Value| choice["type"] == "null";
        let choice = choices.iter().find(|choice| is_null(choice) == value.is_null());
        return expect_fits(description, choice.unwrap_or_else(|| panic!("{place}: {value}")), value, place);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        one => vec![one.clone()],
    };
    assert!(kinds.iter().any(|allowed| allowed == kind), "{place}: {value} is none of {kinds:?}");
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        assert!(words.contains(value), "{place}: {value} is none of {words:?}");
    }
    if let Value::Array(items) = value {
        items.iter().for_each(|item| expect_fits(description, &schema["items"], item, place));
    }
    if let Value::Object(fields) = value {
        for (name, field) in fields {
            let known = schema["properties"].get(name);
            let known = known.unwrap_or_else(|| panic!("{place}: {name} is not described"));
            expect_fits(description, known, field, &format!("{place}/{name}"));
        }
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        for name in required.iter().filter_map(Value::as_str) {
            assert!(fields.contains_key(name), "{place}: {name} is missing");
        }
    }
}
