//! The shape of the sources: imports point downwards, files stay small, nothing is left half done.

mod imports;
mod tokens;
mod type_names;

use imports::Imports;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of each crate from the bottom up. Each may use those before it.
const MODEL: [&str; 23] = [
    "counted",
    "time",
    "epoch",
    "leaving",
    "id",
    "account",
    "text",
    "name",
    "everywhere",
    "list",
    "facts",
    "message",
    "draft_age",
    "reaction",
    "amendment",
    "shown",
    "away",
    "carried",
    "page",
    "request",
    "reply",
    "event",
    "connection",
];
/// Those of the log.
const LOG: [&str; 11] =
    ["coding", "format", "append", "facts", "index", "files", "epoch", "write", "read", "repair", "erase"];
/// The protocols do not know each other, but this is checked by their order, too.
const SURFACES: [&str; 1] = ["line"];
const LINK: [&str; 9] =
    ["bounds", "versions", "format", "words", "body", "convert", "stream", "core_end", "edge_end"];
const ENGINE: [&str; 7] = ["room", "user", "mesh", "shard", "store", "turn", "runtime"];
const SIMULATOR: [&str; 12] = [
    "chance", "network", "disk", "words", "truth", "server", "twins", "client", "edge", "options", "trace",
    "session",
];
const CONFIG: [&str; 11] = [
    "shown",
    "values",
    "bounded",
    "size",
    "listen",
    "http_listeners",
    "keys",
    "error",
    "file",
    "layers",
    "print",
];
const DIRECTORY: [&str; 18] = [
    "error",
    "secret",
    "one_time_code",
    "search",
    "sql",
    "location",
    "names",
    "password",
    "threads",
    "directory",
    "audit",
    "sign_up_codes",
    "accounts",
    "password_resets",
    "sessions",
    "service_keys",
    "consent",
    "upkeep",
];
const EDGE: [&str; 8] = ["bounds", "counters", "limits", "link", "problem", "router", "connection", "server"];
const HTTP: [&str; 18] = [
    "language",
    "time",
    "problem",
    "client",
    "core",
    "settings",
    "table",
    "rates",
    "passwords",
    "tokens",
    "store",
    "api",
    "extract",
    "gate",
    "cookies",
    "description",
    "routes",
    "router",
];
const IMPORT: [&str; 6] = ["fault", "id", "line", "reader", "window", "intake"];
/// Those of the program.
const PROGRAM: [&str; 18] = [
    "version",
    "terminal",
    "privacy",
    "exit_code",
    "data_option",
    "server",
    "systemd",
    "operator",
    "log_command",
    "backup",
    "telemetry",
    "handover",
    "control",
    "edge_link",
    "edge_desk",
    "edge",
    "serve",
    "cli",
];
/// Those of the load.
const LOAD: [&str; 21] = [
    "protocol",
    "watch",
    "error",
    "machine",
    "results",
    "options",
    "runtime",
    "child",
    "server",
    "target",
    "fake",
    "account",
    "crowd",
    "findings",
    "pace",
    "log",
    "workload",
    "floor",
    "output",
    "baseline",
    "command_line",
];
/// Compiled for tests only: the faults that the simulator must see, and what writes logs.
const FOR_TESTS: [&str; 2] = ["mutation", "testing"];
/// Where the sources of each crate are, the order of its modules, and the crates that it may use.
const CRATES: [(&str, &[&str], &[&str]); 13] = [
    ("shards/model", &MODEL, &[]),
    ("shards/log", &LOG, &["model"]),
    ("shards/surfaces", &SURFACES, &["model"]),
    ("shards/link", &LINK, &["model"]),
    ("shards/engine", &ENGINE, &["model", "log"]),
    ("shards/simulator", &SIMULATOR, &["model", "log", "link", "engine"]),
    ("edge/directory", &DIRECTORY, &["model"]),
    ("edge/server", &EDGE, &["model", "link"]),
    ("edge/http", &HTTP, &["model", "directory"]),
    ("config", &CONFIG, &["model", "log"]),
    ("import", &IMPORT, &["model", "log"]),
    ("bench", &LOAD, &["model", "log"]),
    (
        "",
        &PROGRAM,
        &[
            "model",
            "log",
            "surfaces",
            "link",
            "engine",
            "directory",
            "edge",
            "http",
            "config",
            "import",
            "bench",
        ],
    ),
];
/// Imports against the order that there are yet: who, whom, and why. The table shrinks only.
const UPWARDS: [(&str, &str, &str); 3] = [
    (
        "bench/src/output/html/mod.rs",
        "bench/src/baseline",
        "a page shows a comparison, which reads the JSON of one",
    ),
    ("bench/src/output/screen/changes.rs", "bench/src/baseline", "the same on a terminal"),
    ("bench/src/server.rs", "bench/src/target.rs", "see CIRCLES"),
];
/// Files that import each other yet, and why. The table shrinks only.
const CIRCLES: [(&str, &str, &str); 8] = [
    (
        "bench/src/server.rs",
        "bench/src/target.rs",
        "a target may own the server, whose readiness is asked at a target",
    ),
    ("shards/log/src/files/indexes.rs", "shards/log/src/files/standard.rs", "both read regular files alone"),
    (
        "shards/log/src/index/reads/fault.rs",
        "shards/log/src/index/reads/request.rs",
        "a fault names the file asked for",
    ),
    ("shards/log/src/read/pass.rs", "shards/log/src/read/tails.rs", "a pass cuts tails, which end a pass"),
    ("shards/log/src/read/plan.rs", "shards/log/src/read/segment.rs", "a plan reads segments as it says"),
    (
        "shards/engine/src/runtime/handover.rs",
        "shards/engine/src/runtime/supervisor.rs",
        "the supervisor leads the handover",
    ),
    (
        "shards/engine/src/runtime/operate/inquiry.rs",
        "shards/engine/src/runtime/operate/remote.rs",
        "an inquiry has its answer's type",
    ),
    (
        "shards/engine/src/shard/carry.rs",
        "shards/engine/src/shard/image/mod.rs",
        "an image has what is saved, which is of images",
    ),
];
/// What the state machines know nothing of: files, sockets, channels, clocks.
const FOREIGN_TO_MACHINES: [&str; 9] =
    ["std::fs", "std::net", "std::io", "Instant", "SystemTime", "flume", "rustix", "glommio", "std::thread"];
/// What a turn knows of only by its shell.
const FOREIGN_TO_TURNS: [&str; 7] =
    ["std::fs", "Instant", "SystemTime", "flume", "rustix", "glommio", "std::thread"];
const FILE_LINES_MAX: usize = 600;
/// Where sources are.
const EVERYWHERE: [&str; 10] = [
    "src",
    "shards",
    "edge",
    "config",
    "import",
    "bench",
    "tests",
    "fuzz/entries/src",
    "fuzz/entries/tests",
    "fuzz/fuzz_targets",
];

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
        let inside = self.path.strip_prefix("shards/engine/src").ok()?;
        let first = inside.components().next()?.as_os_str().to_str()?;
        let module = first.strip_suffix(".rs").unwrap_or(first);
        (module != "lib").then_some(module)
    }
}

fn sources<P: AsRef<Path> + std::fmt::Debug>(under: &[P]) -> Vec<Source> {
    files(under, "rs")
}

/// Files whose names end so.
fn files<P: AsRef<Path> + std::fmt::Debug>(under: &[P], extension: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<PathBuf> = under.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a readable folder");
            waiting.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|found| found == extension) {
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

/// The module of a crate that a file below its root belongs to.
fn module_in(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).ok().and_then(|inside| inside.components().next());
    let first = inside.map(|first| first.as_os_str().to_string_lossy().into_owned()).unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(&first).to_owned()
}

/// Why `user` may not use `used` in a crate of this order; `None` when it may.
fn objection(order: &[&str], user: &str, used: &str) -> Option<String> {
    let rank = |module: &str| order.iter().position(|known| *known == module);
    let Some(user_rank) = rank(user) else {
        return Some(format!("'{user}' has no place in the order of modules: give it one in this test"));
    };
    match rank(used) {
        None => Some(format!("'{used}' has no place in the order of modules: use it from its module")),
        Some(used_rank) if used_rank > user_rank => Some(format!("'{used}' is above '{user}'")),
        Some(_) => None,
    }
}

fn fail_if_any(broken: Vec<String>) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// The imports of each crate, with where it is and the order of its modules.
fn imports_of_crates() -> Vec<(PathBuf, &'static [&'static str], Imports)> {
    let read = |(folder, order, _): (&str, &'static [&'static str], _)| {
        let root = Path::new(folder).join("src");
        let sources = sources(&[&root]);
        let texts = sources.iter().map(|source| (source.path.as_path(), source.text.as_str()));
        let imports = Imports::of_crate(&root, texts);
        (root, order, imports)
    };
    CRATES.into_iter().map(read).collect()
}

#[test]
fn imports_point_downwards_in_every_crate() {
    let (mut broken, mut excused) = (Vec::new(), BTreeSet::new());
    for (root, order, imports) in imports_of_crates() {
        for import in imports.all() {
            let (user, used) = (module_in(&root, import.user), module_in(&root, import.used));
            let is_apart_from_order = |module: &str| {
                // The root of a crate lists its modules; what is for tests only a build without them would miss.
                matches!(module, "lib" | "main") || FOR_TESTS.contains(&module)
            };
            if import.is_in_tests || user == used || is_apart_from_order(&user) || is_apart_from_order(&used)
            {
                continue;
            }
            let Some(objection) = objection(order, &user, &used) else { continue };
            let is_known = |(from, to, _): &&(&str, &str, &str)| {
                import.user == Path::new(from) && import.used.starts_with(to)
            };
            match UPWARDS.iter().find(is_known) {
                Some(known) => drop(excused.insert(*known)),
                None => broken.push(format!(
                    "{} uses {}: {objection}",
                    import.user.display(),
                    import.used.display()
                )),
            }
        }
    }
    let gone = UPWARDS.iter().filter(|known| !excused.contains(*known));
    broken.extend(gone.map(|(from, to, _)| format!("{from} uses {to} no more: take it out of UPWARDS")));
    fail_if_any(broken);
}

#[test]
fn no_two_files_import_each_other() {
    let mut broken = Vec::new();
    let mut found = BTreeSet::new();
    let crates = imports_of_crates();
    for (_, _, imports) in &crates {
        found.extend(imports.circles());
    }
    let known: BTreeSet<(&Path, &Path)> =
        CIRCLES.iter().map(|(one, other, _)| (Path::new(*one), Path::new(*other))).collect();
    let shown = |(one, other): &(&Path, &Path)| format!("{} and {}", one.display(), other.display());
    let new = found.difference(&known);
    broken.extend(new.map(|pair| format!("{} import each other", shown(pair))));
    let gone = known.difference(&found);
    broken.extend(gone.map(|pair| format!("{} no longer do: take them out of CIRCLES", shown(pair))));
    fail_if_any(broken);
}

#[test]
fn nothing_refers_to_a_document_outside_the_repository() {
    // Put together here, so that this file does not hold it.
    let outside = concat!("DES", "IGN");
    let mut broken = Vec::new();
    let code = sources(&EVERYWHERE);
    let words = files(&["docs", "ARCHITECTURE.md", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"], "md");
    let manifests: Vec<PathBuf> =
        CRATES.iter().map(|(folder, ..)| Path::new(folder).join("Cargo.toml")).collect();
    let manifests = files(&manifests, "toml");
    for source in code.into_iter().chain(words).chain(manifests) {
        let lines = source.text.lines().enumerate().filter(|(_, line)| names(line, outside));
        broken.extend(lines.map(|(line, _)| format!("{}:{}", source.path.display(), line + 1)));
    }
    fail_if_any(broken);
}

#[test]
fn only_the_runtimes_name_glommio() {
    let outside = sources(&EVERYWHERE)
        .into_iter()
        .filter(|source| source.path.components().any(|part| part.as_os_str() == "src"))
        .filter(|source| source.module() != Some("runtime") && !source.path.starts_with("bench/src/runtime"))
        .filter(|source| names(&source.code(), "glommio"));
    fail_if_any(outside.map(|source| source.path.display().to_string()).collect());
}

#[test]
fn rooms_and_users_are_machines_without_a_world() {
    let mut broken = Vec::new();
    for source in sources(&["shards/engine/src/room", "shards/engine/src/user", "shards/model/src"]) {
        let code = source.code();
        let foreign = FOREIGN_TO_MACHINES.iter().filter(|word| names(&code, word));
        // An address is a value; a socket would not be.
        let is_address = |name: &String| {
            matches!(&**name, "IpAddr" | "Ipv4Addr" | "Ipv6Addr" | "SocketAddr" | "AddrParseError")
        };
        let has_addresses_only = named_behind(&code, "std::net::").iter().all(is_address);
        let foreign = foreign.filter(|word| **word != "std::net" || !has_addresses_only);
        broken.extend(foreign.map(|word| format!("{} names {word}", source.path.display())));
    }
    fail_if_any(broken);
}

#[test]
fn a_turn_knows_the_world_by_its_shell_alone() {
    let mut broken = Vec::new();
    for source in sources(&["shards/engine/src/turn"]) {
        let code = source.code();
        let foreign = FOREIGN_TO_TURNS.iter().filter(|word| names(&code, word));
        broken.extend(foreign.map(|word| format!("{} names {word}", source.path.display())));
        if code.contains("async ") || code.contains(".await") {
            broken.push(format!("{} waits", source.path.display()));
        }
    }
    fail_if_any(broken);
}

#[test]
fn crates_depend_on_those_below_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for (folder, _, allowed) in CRATES {
        let manifest = Path::new(folder).join("Cargo.toml");
        let text = fs::read_to_string(root.join(&manifest)).expect("a manifest");
        let dependencies = text.lines().skip_while(|line| *line != "[dependencies]");
        let used = dependencies.filter_map(|line| line.strip_prefix("madang-"));
        let used = used.map(|line| line.split(['.', '=', ' ']).next().unwrap_or_default());
        let forbidden = used.filter(|used| !allowed.contains(used));
        broken.extend(forbidden.map(|used| format!("{} depends on madang-{used}", manifest.display())));
    }
    fail_if_any(broken);
}

#[test]
fn nothing_that_is_shipped_asks_for_the_deliberate_faults() {
    let manifests = files(&["Cargo.toml", "config", "bench", "shards", "fuzz/entries"], "toml");
    let askers = manifests.into_iter().filter(|source| source.text.contains("deliberate-faults"));
    let askers: Vec<String> = askers.map(|source| source.path.display().to_string()).collect();
    assert_eq!(askers.len(), 2, "the engine has them, the simulator asks: {askers:?}");
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("a manifest");
    assert!(!text.contains("madang-simulator"), "the program does not depend on the simulator");
}

#[test]
fn only_the_loads_log_knows_how_the_server_writes() {
    let users = sources(&["bench/src"]).into_iter().filter(|source| {
        let code = source.code();
        !source.path.starts_with("bench/src/log")
            && (names(&code, "madang_log") || names(&code, "madang_model"))
    });
    fail_if_any(users.map(|source| source.path.display().to_string()).collect());
}

#[test]
fn every_source_is_compiled_where_it_lies() {
    // Put together here, so that this file does not hold them.
    let marks = [concat!("include", "!("), concat!("#[pa", "th"), concat!("extern crate", " self")];
    let mut broken = Vec::new();
    for source in sources(&EVERYWHERE) {
        let code = source.code();
        let found = marks.iter().filter(|mark| code.contains(**mark));
        broken.extend(found.map(|mark| format!("{} holds {mark}", source.path.display())));
    }
    fail_if_any(broken);
}

#[test]
fn files_hold_one_subject() {
    let long = sources(&EVERYWHERE)
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
    for source in sources(&EVERYWHERE) {
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
    let objection = |user, used| objection(&ENGINE, user, used);
    assert!(objection("room", "mesh").is_some());
    assert!(objection("mesh", "room").is_none() && objection("room", "elsewhere").is_some());
    assert!(names("use glommio::Task;", "glommio") && !names("glommio_like", "glommio"));
}
