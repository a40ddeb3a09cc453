//! Which source file imports which: read from the text, without a compiler.
//!
//! What a file re-exports (`pub use`) leads to the file that defines it, so that a `mod.rs` which only lists what its
//! folder offers imports nothing. Tests may import anything.

use super::tokens::{Token, tokens};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The path of a module from the root of its crate.
type ModulePath = Vec<String>;

/// Names of modules that hold tests, or what only tests use.
const TESTS: &str = "tests";
/// A re-export leads to another at most so often.
const REEXPORTS_MAX: usize = 8;

/// The imports of one crate.
#[derive(Debug)]
pub struct Imports {
    files: BTreeMap<ModulePath, Parsed>,
}

/// What one file says.
#[derive(Debug)]
struct Parsed {
    path: PathBuf,
    /// Paths that are imported or named.
    named: Vec<Named>,
    /// Names that are passed on, and where they come from.
    reexported: BTreeMap<String, Vec<String>>,
}

/// A path that is imported or named.
#[derive(Debug)]
struct Named {
    path: Vec<String>,
    /// The module in which it stands.
    inside: ModulePath,
    is_in_tests: bool,
}

/// One file uses another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Import<'a> {
    pub user: &'a Path,
    pub used: &'a Path,
    /// Whether only tests do.
    pub is_in_tests: bool,
}

impl Imports {
    /// Of the sources below `root`, given with their texts.
    pub fn of_crate<'a>(root: &Path, sources: impl IntoIterator<Item = (&'a Path, &'a str)>) -> Imports {
        let modules = sources.into_iter().filter_map(|(path, text)| {
            let module = module_of(path.strip_prefix(root).ok()?);
            let parsed = Parsed::new(path, &module, &tokens(text));
            Some((module, parsed))
        });
        Imports { files: modules.collect() }
    }

    /// All there are; one that the program has is not listed for the tests again.
    pub fn all(&self) -> BTreeSet<Import<'_>> {
        let mut imports = BTreeSet::new();
        for (module, file) in &self.files {
            let is_test_file = module.iter().any(|name| name == TESTS);
            for Named { path, inside, is_in_tests } in &file.named {
                let Some(used) = self.defining(inside, path, REEXPORTS_MAX) else { continue };
                if used.path != file.path {
                    let is_in_tests = *is_in_tests || is_test_file;
                    imports.insert(Import { user: &file.path, used: &used.path, is_in_tests });
                }
            }
        }
        let of_program = imports.clone();
        let is_of_program =
            |import: Import<'_>| of_program.contains(&Import { is_in_tests: false, ..import });
        imports.retain(|import| !import.is_in_tests || !is_of_program(*import));
        imports
    }

    /// Files that import each other, but for a module and what lies in its folder: there the one holds a type, and
    /// the others its parts.
    pub fn circles(&self) -> Vec<(&Path, &Path)> {
        let pairs = self.all().into_iter().filter(|import| !import.is_in_tests);
        let pairs: BTreeSet<(&Path, &Path)> = pairs.map(|import| (import.user, import.used)).collect();
        let is_circle = |(a, b): &(&Path, &Path)| a < b && pairs.contains(&(*b, *a));
        let is_within = |(a, b): &(&Path, &Path)| is_above(a, b) || is_above(b, a);
        pairs.iter().copied().filter(|pair| is_circle(pair) && !is_within(pair)).collect()
    }

    /// The file that defines what `path` names in the module `from`; `None` for what is not of this crate.
    fn defining(&self, from: &[String], path: &[String], reexports_max: usize) -> Option<&Parsed> {
        let mut rest = path.iter().map(String::as_str).peekable();
        let mut module = match *rest.peek()? {
            "crate" => {
                rest.next();
                Vec::new()
            }
            "self" | "super" => from.to_owned(),
            name => {
                let file = self.file_of(from);
                let is_child = self.is_module(&child(from, name));
                if !is_child && !file.is_some_and(|file| file.reexported.contains_key(name)) {
                    return None;
                }
                from.to_owned()
            }
        };
        while let Some(&name) = rest.peek() {
            match name {
                "self" => {}
                "super" => drop(module.pop()),
                name if self.is_module(&child(&module, name)) => module.push(name.to_owned()),
                _ => break,
            }
            rest.next();
        }
        let file = self.file_of(&module)?;
        let origin = rest.next().and_then(|item| file.reexported.get(item));
        match origin {
            Some(origin) if reexports_max > 0 => {
                let further: Vec<String> = origin.iter().cloned().chain(rest.map(str::to_owned)).collect();
                self.defining(&module, &further, reexports_max - 1).or(Some(file))
            }
            _ => Some(file),
        }
    }

    fn is_module(&self, module: &[String]) -> bool {
        self.files.contains_key(module)
    }

    /// A module that is written inside a file belongs to that file.
    fn file_of(&self, module: &[String]) -> Option<&Parsed> {
        (0..=module.len()).rev().find_map(|length| self.files.get(&module[..length]))
    }
}

/// Whether `below` lies in the folder of the module `above`.
fn is_above(above: &Path, below: &Path) -> bool {
    let stem = above.with_extension("");
    let is_whole_folder =
        stem.file_stem().is_some_and(|name| name == "mod" || name == "lib" || name == "main");
    let folder = if is_whole_folder { stem.parent().map(Path::to_owned) } else { Some(stem) };
    folder.is_some_and(|folder| below.starts_with(folder))
}

fn child(module: &[String], name: &str) -> ModulePath {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// `handover/store/queue.rs` is `handover::store::queue`, `handover/mod.rs` is `handover`, `lib.rs` the root.
fn module_of(path: &Path) -> ModulePath {
    let mut names: ModulePath = path
        .with_extension("")
        .components()
        .map(|name| name.as_os_str().to_string_lossy().into_owned())
        .collect();
    let last = names.last().map(String::as_str);
    if last == Some("mod") || (names.len() == 1 && matches!(last, Some("lib" | "main"))) {
        names.pop();
    }
    names
}

impl Parsed {
    fn new(path: &Path, module: &[String], tokens: &[Token]) -> Parsed {
        let mut parsed = Parsed { path: path.to_owned(), named: Vec::new(), reexported: BTreeMap::new() };
        // For each open brace the module that it begins, if it does.
        let mut open: Vec<Option<String>> = Vec::new();
        let mut place = 0;
        while let Some(token) = tokens.get(place) {
            let inside = || module.iter().cloned().chain(open.iter().flatten().cloned()).collect();
            let is_in_tests = || open.iter().flatten().any(|name| name == TESTS);
            match token {
                Token::Word(word)
                    if word == "mod" && matches!(tokens.get(place + 2), Some(Token::Sign(';'))) =>
                {
                    place += 3;
                    continue;
                }
                Token::Word(word) if word == "mod" && tokens.get(place + 2) == Some(&Token::Sign('{')) => {
                    let Some(Token::Word(name)) = tokens.get(place + 1) else { break };
                    open.push(Some(name.clone()));
                    place += 3;
                    continue;
                }
                Token::Sign('{') => open.push(None),
                Token::Sign('}') => drop(open.pop()),
                Token::Word(word) if word == "use" => {
                    let is_public = is_public(&tokens[..place]);
                    let (paths, end) = imported(tokens, place + 1);
                    for (path, name) in paths {
                        if !is_in_tests() {
                            // What is imported may be imported from here by those below.
                            parsed.reexported.insert(name, path.clone());
                        }
                        if !is_public {
                            parsed.named.push(Named { path, inside: inside(), is_in_tests: is_in_tests() });
                        }
                    }
                    place = end;
                    continue;
                }
                Token::Word(_) if !is_behind(tokens, place) && !is_visibility(tokens, place) => {
                    let path = path_at(tokens, place);
                    place += 2 * path.len() - 1;
                    if path.len() > 1 || parsed.reexported.contains_key(&path[0]) {
                        parsed.named.push(Named { path, inside: inside(), is_in_tests: is_in_tests() });
                    }
                    continue;
                }
                _ => {}
            }
            place += 1;
        }
        parsed
    }
}

/// Whether what is imported next is passed on: `pub` or `pub(…)` stands before it.
fn is_public(before: &[Token]) -> bool {
    let is_pub = |token: &Token| matches!(token, Token::Word(word) if word == "pub");
    match before.last() {
        Some(Token::Sign(')')) => {
            let start = before.iter().rposition(|token| *token == Token::Sign('('));
            start.and_then(|start| before[..start].last()).is_some_and(is_pub)
        }
        last => last.is_some_and(is_pub),
    }
}

/// `pub(crate)`, `pub(super)`.
fn is_visibility(tokens: &[Token], place: usize) -> bool {
    place > 1
        && tokens[place - 1] == Token::Sign('(')
        && matches!(&tokens[place - 2], Token::Word(word) if word == "pub")
}

/// Whether the word is a field, a method, or the end of a path.
fn is_behind(tokens: &[Token], place: usize) -> bool {
    place > 0 && matches!(tokens[place - 1], Token::Sign('.') | Token::Path)
}

/// The words from here on that `::` joins.
fn path_at(tokens: &[Token], mut place: usize) -> Vec<String> {
    let mut path = Vec::new();
    while let Some(Token::Word(word)) = tokens.get(place) {
        path.push(word.clone());
        if tokens.get(place + 1) != Some(&Token::Path) {
            break;
        }
        place += 2;
    }
    path
}

/// What the tree behind `use` imports, each with the name by which it is known here; and the place behind its `;`.
fn imported(tokens: &[Token], start: usize) -> (Vec<(Vec<String>, String)>, usize) {
    let length = tokens[start..].iter().position(|token| *token == Token::Sign(';'));
    let end = length.map_or(tokens.len(), |length| start + length);
    let mut imports = Vec::new();
    let mut prefixes: Vec<Vec<String>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut alias = None;
    let mut ended = |path: &mut Vec<String>, alias: &mut Option<String>| {
        let is_self = path.last().is_some_and(|last| last == "self") && path.len() > 1;
        if is_self {
            path.pop();
        }
        if let Some(last) = path.last().cloned() {
            imports.push((std::mem::take(path), alias.take().unwrap_or(last)));
        }
    };
    let mut place = start;
    let mut has_group_ended = false;
    while place < end {
        match &tokens[place] {
            Token::Word(word) if word == "as" => {
                if let Some(Token::Word(name)) = tokens.get(place + 1) {
                    alias = Some(name.clone());
                }
                place += 1;
            }
            Token::Word(word) => path.push(word.clone()),
            Token::Sign('*') => path.push("*".to_owned()),
            Token::Sign('{') => prefixes.push(path.clone()),
            Token::Sign(sign @ (',' | '}')) => {
                if !has_group_ended {
                    ended(&mut path, &mut alias);
                }
                has_group_ended = *sign == '}';
                if has_group_ended {
                    prefixes.pop();
                }
                path = prefixes.last().cloned().unwrap_or_default();
                if *sign == ',' && tokens.get(place + 1) == Some(&Token::Sign('}')) {
                    has_group_ended = true;
                }
            }
            _ => {}
        }
        if matches!(tokens[place], Token::Word(_)) {
            has_group_ended = false;
        }
        place += 1;
    }
    if !has_group_ended {
        ended(&mut path, &mut alias);
    }
    (imports, end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The imports of a crate of these files.
    fn imports(files: &[(&'static str, &'static str)]) -> Imports {
        Imports::of_crate(Path::new(""), files.iter().map(|(path, text)| (Path::new(*path), *text)))
    }

    fn pairs(imports: &Imports) -> Vec<(String, String)> {
        let shown = |path: &Path| path.display().to_string();
        imports.all().iter().map(|import| (shown(import.user), shown(import.used))).collect()
    }

    #[test]
    fn a_path_leads_to_the_file_that_defines_what_it_names() {
        let imports = imports(&[
            ("main.rs", "mod room; mod log; // crate::nothing\nfn main() { room::run(); }"),
            ("room/mod.rs", "mod member; pub use member::{Member, name as call}; pub(crate) fn run() {}"),
            ("room/member.rs", "use std::io; pub struct Member; pub fn name() { \"madang_log::x\"; '\\''; }"),
            (
                "log.rs",
                "use crate::{room::{self, Member}}; fn f() { crate::room::call(); super::room::run() }",
            ),
        ]);
        let expected = [("log.rs", "room/member.rs"), ("log.rs", "room/mod.rs"), ("main.rs", "room/mod.rs")];
        assert_eq!(pairs(&imports), expected.map(|(user, used)| (user.to_owned(), used.to_owned())));
        assert!(imports.circles().is_empty());
    }

    #[test]
    fn files_that_import_each_other_are_found_but_for_a_module_and_its_parts_and_for_tests() {
        let circle = imports(&[
            ("a.rs", "use super::b::B; pub struct A;"),
            ("b.rs", "use crate::a::A; pub struct B;"),
        ]);
        assert_eq!(circle.circles(), [(Path::new("a.rs"), Path::new("b.rs"))]);
        let parts = imports(&[
            ("a/mod.rs", "mod part; use part::Part; pub struct A;"),
            ("a/part.rs", "use super::A; pub struct Part;"),
            ("b.rs", "mod part; use part::Part; pub struct B;"),
            ("b/part.rs", "use super::B; pub struct Part;"),
        ]);
        assert!(parts.circles().is_empty() && parts.all().len() == 4);
        let tests = imports(&[
            ("a.rs", "pub struct A; mod tests { use super::*; use crate::b::B; fn f() -> [u8; { 3 }] {} }"),
            ("b.rs", "use crate::a::A; pub struct B;"),
        ]);
        assert!(tests.circles().is_empty() && tests.all().len() == 2);
    }
}
