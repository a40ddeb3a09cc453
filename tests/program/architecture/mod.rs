//! The shape of the sources: imports point downwards, files stay small, nothing is left half done.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the engine from the bottom up. Each may use those before it.
const ORDER: [&str; 8] = ["types", "log", "room", "user", "mesh", "connection", "shard", "runtime"];
/// Compiled into tests only: the simulator, and the faults that it must see.
const FOR_TESTS: [&str; 2] = ["mutation", "simulation"];
/// What a module may not use although it is below.
const APART: [(&str, &[&str]); 3] = [("log", &["room", "user"]), ("room", &["log"]), ("user", &["log"])];
/// What the state machines know nothing of: files, sockets, channels, clocks.
const FOREIGN_TO_MACHINES: [&str; 9] =
    ["std::fs", "std::net", "std::io", "Instant", "SystemTime", "flume", "rustix", "glommio", "std::thread"];
const FILE_LINES_MAX: usize = 600;

struct Source {
    /// From the root of the repository.
    path: PathBuf,
    text: String,
}

impl Source {
    /// The text without line comments: prose may name anything.
    fn code(&self) -> String {
        self.text
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The module of the engine that the file belongs to; `None` for `lib.rs`.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("shards/src").ok()?;
        let first = inside.components().next()?.as_os_str().to_str()?;
        let module = first.strip_suffix(".rs").unwrap_or(first);
        (module != "lib").then_some(module)
    }
}

fn sources(under: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<PathBuf> = under.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a readable folder");
            waiting.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a readable source");
            let path = path.strip_prefix(root).expect("a path below the root").to_owned();
            found.push(Source { path, text });
        }
    }
    assert!(!found.is_empty(), "no sources under {under:?}");
    found
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Whether `word` stands in `code` as a word or path of its own.
fn names(code: &str, word: &str) -> bool {
    let is_inner = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(start, _)| {
        let (before, after) = (code[..start].chars().next_back(), code[start + word.len()..].chars().next());
        !before.is_some_and(is_inner) && !after.is_some_and(is_inner)
    })
}

/// What is named directly behind `prefix`: one name, or several in braces.
fn named_behind(code: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices(prefix) {
        if code[..start].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[start + prefix.len()..];
        match rest.strip_prefix('{') {
            None => found.push(identifier(rest).to_owned()),
            Some(group) => found.extend(group_heads(group)),
        }
    }
    found
}

/// The first name of each entry of `{a::B, c::{D, E}, f}`, given what follows the brace.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut at_head, mut heads) = (1, true, Vec::new());
    for (place, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => at_head = true,
            c if at_head && !c.is_whitespace() => {
                heads.push(identifier(&group[place..]).to_owned());
                at_head = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == module)
}

/// Why `user` may not use `used`; `None` when it may.
fn objection(user: &str, used: &str) -> Option<String> {
    let Some(user_rank) = rank(user) else {
        return Some(format!("'{user}' has no place in the order of modules: give it one in this test"));
    };
    let is_apart = APART.iter().any(|(module, others)| *module == user && others.contains(&used));
    match rank(used) {
        None => Some(format!("'{used}' has no place in the order of modules: use it from its module")),
        Some(used_rank) if used_rank > user_rank => Some(format!("'{used}' is above '{user}'")),
        Some(_) if is_apart => Some(format!("'{used}' is none of what '{user}' knows")),
        Some(_) => None,
    }
}

fn fail_if_any(broken: Vec<String>) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn imports_of_the_engine_point_downwards() {
    let mut broken = Vec::new();
    for source in sources(&["shards/src"]) {
        let Some(module) = source.module().filter(|module| !FOR_TESTS.contains(module)) else { continue };
        let code = source.code();
        let mut used = named_behind(&code, "crate::");
        // A way around: up to the root and down again.
        used.extend(named_behind(&code, "super::super::").into_iter().filter(|name| rank(name).is_some()));
        // Only what is compiled under `cfg(test)` names these: a build without it would fail.
        used.retain(|name| !FOR_TESTS.contains(&name.as_str()));
        used.sort();
        used.dedup();
        let objections = used.iter().filter_map(|used| objection(module, used));
        broken.extend(objections.map(|objection| format!("{}: {objection}", source.path.display())));
    }
    fail_if_any(broken);
}

#[test]
fn only_the_runtimes_name_glommio() {
    let outside = sources(&["shards/src", "src", "bench/src"])
        .into_iter()
        .filter(|source| source.module() != Some("runtime") && !source.path.starts_with("bench/src/runtime"))
        .filter(|source| names(&source.code(), "glommio"));
    fail_if_any(outside.map(|source| source.path.display().to_string()).collect());
}

#[test]
fn rooms_and_users_are_machines_without_a_world() {
    let mut broken = Vec::new();
    for source in sources(&["shards/src"]) {
        if !matches!(source.module(), Some("room" | "user" | "types")) {
            continue;
        }
        let code = source.code();
        let foreign = FOREIGN_TO_MACHINES.iter().filter(|word| names(&code, word));
        // An address is a value; a socket would not be.
        let foreign =
            foreign.filter(|word| **word != "std::net" || named_behind(&code, "std::net::") != ["IpAddr"]);
        broken.extend(foreign.map(|word| format!("{} names {word}", source.path.display())));
    }
    fail_if_any(broken);
}

#[test]
fn nobody_imports_the_program_and_only_the_loads_log_knows_the_engine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (manifest, forbidden) in
        [("shards/Cargo.toml", ["madang", "madang-bench"]), ("bench/Cargo.toml", ["madang", "madang-bench"])]
    {
        let text = fs::read_to_string(root.join(manifest)).expect("a manifest");
        let dependency = |line: &str| line.split(['.', '=', ' ']).next().unwrap_or_default().to_owned();
        let found: Vec<String> =
            text.lines().map(dependency).filter(|name| forbidden.contains(&name.as_str())).collect();
        assert!(found.is_empty(), "{manifest} depends on {found:?}");
    }
    let users = sources(&["bench/src"])
        .into_iter()
        .filter(|source| !source.path.starts_with("bench/src/log") && names(&source.code(), "madang_shards"));
    fail_if_any(users.map(|source| source.path.display().to_string()).collect());
    let borrowed = sources(&["shards/src", "bench/src"]).into_iter().filter(|source| {
        let code = source.code();
        code.contains("include!") || code.lines().any(|line| line.contains("#[path") && line.contains("../"))
    });
    fail_if_any(borrowed.map(|source| source.path.display().to_string()).collect());
}

#[test]
fn files_hold_one_subject() {
    let long = sources(&["src", "shards", "bench", "tests"])
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > FILE_LINES_MAX);
    fail_if_any(long.map(|(lines, path)| format!("{} has {lines} lines", path.display())).collect());
}

#[test]
fn nothing_is_left_half_done() {
    // Put together here, so that this file does not hold them.
    let marks = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("#[ig", "nore"),
        concat!("db", "g!("),
    ];
    let mut broken = Vec::new();
    for source in sources(&["src", "shards", "bench", "tests"]) {
        // A run that is too long for every change says so, and `just long` runs it.
        let code = source.code().replace(concat!("#[ig", "nore = \"a long run: just long\"]"), "");
        let found = marks.iter().filter(|mark| code.contains(**mark));
        broken.extend(found.map(|mark| format!("{} holds {mark}", source.path.display())));
    }
    fail_if_any(broken);
}

#[test]
fn the_checks_see_what_they_look_for() {
    let code = "use crate::{types::{Seq, Text}, room::Room};\nlet x = crate::mesh::Mesh; $crate::nothing";
    assert_eq!(named_behind(code, "crate::"), ["types", "room", "mesh", "nothing"]);
    assert!(objection("room", "mesh").is_some() && objection("room", "log").is_some());
    assert!(objection("mesh", "room").is_none() && objection("room", "elsewhere").is_some());
    assert!(names("use glommio::Task;", "glommio") && !names("glommio_like", "glommio"));
}
