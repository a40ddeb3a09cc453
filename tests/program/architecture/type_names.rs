//! A name of a type means one thing in everything that is read together.

use super::tokens::{Token, tokens};
use super::{Source, fail_if_any, sources};
use std::collections::BTreeMap;

/// Folders that are read together: what the core is made of, the program with its settings, the load, the
/// edge, the simulator.
const READ_TOGETHER: [&[&str]; 5] = [
    &["shards/model/src", "shards/log/src", "shards/surfaces/src", "shards/link/src", "shards/engine/src"],
    &["src", "config/src"],
    &["bench/src"],
    &["edge/directory/src", "edge/http/src", "edge/server/src"],
    &["shards/simulator/src"],
];

/// The types that a source declares outside its tests. Types of a trait are none: each implementation has them.
fn declared(source: &Source) -> Vec<String> {
    let is_of_tests = source.path.components().any(|part| {
        part.as_os_str().to_str().is_some_and(|part| part.starts_with("tests") || part.starts_with("testing"))
    });
    let code = source.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let tokens = if is_of_tests { Vec::new() } else { tokens(code) };
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for pair in tokens.windows(2) {
        match pair {
            [Token::Sign('{'), _] => depth += 1,
            [Token::Sign('}'), _] => depth = depth.saturating_sub(1),
            [Token::Word(kind), Token::Word(name)]
                if depth == 0 && matches!(kind.as_str(), "struct" | "enum" | "trait" | "type" | "union") =>
            {
                found.push(name.clone());
            }
            _ => {}
        }
    }
    found
}

#[test]
fn a_type_has_a_name_of_its_own() {
    let mut broken = Vec::new();
    for folders in READ_TOGETHER {
        let mut places = BTreeMap::<String, Vec<String>>::new();
        for source in sources(folders) {
            for name in declared(&source) {
                places.entry(name).or_default().push(source.path.display().to_string());
            }
        }
        assert!(places.len() > 20, "{folders:?}: {} types", places.len());
        let double = places.into_iter().filter(|(_, places)| places.len() > 1);
        broken.extend(double.map(|(name, places)| format!("{name}: {}", places.join(", "))));
    }
    fail_if_any(broken);
}

#[test]
fn declarations_are_seen_where_they_are() {
    let text = "pub struct One;\nenum Two { A }\nimpl X for Y { type Three = u8; }\ntype Four = u8;\n\
        // struct Five\n#[cfg(test)]\nmod tests {\n    struct Six;\n}\n";
    let source = |path: &str| Source { path: path.into(), text: text.to_owned() };
    assert_eq!(declared(&source("src/a.rs")), ["One", "Two", "Four"]);
    assert!(declared(&source("src/a/tests.rs")).is_empty());
}
