//! A page of the documents: its command lines, the code in its text, its links and headings.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

pub struct Page {
    /// From the root.
    pub path: String,
    pub text: String,
}

/// A line that people type.
#[derive(Debug)]
pub struct Command {
    /// Page and line.
    pub at: String,
    /// As written; lines that end with `\` and those after them are one.
    pub line: String,
    /// What the page shows below it.
    pub output: Vec<String>,
}

/// The pages that say what to type.
pub fn all() -> Vec<Page> {
    let entries = fs::read_dir(Path::new(ROOT).join("docs")).expect("docs").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut paths: Vec<String> =
        names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    paths.sort();
    paths.insert(0, "README.md".to_owned());
    paths.iter().map(|path| Page::read(path)).collect()
}

impl Page {
    pub fn read(path: &str) -> Page {
        let text = fs::read_to_string(Path::new(ROOT).join(path)).expect("a page");
        Page { path: path.to_owned(), text }
    }

    /// Each fenced block: what stands behind its fence, and its lines with their numbers.
    pub fn blocks(&self) -> Vec<(&str, Vec<(usize, &str)>)> {
        let mut blocks = Vec::new();
        let mut open: Option<(&str, Vec<(usize, &str)>)> = None;
        for (number, line) in self.numbered() {
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(info), None) => open = Some((info.trim(), Vec::new())),
                (None, Some((_, lines))) => lines.push((number, line)),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block has no end", self.path);
        blocks
    }

    /// The lines outside of blocks.
    pub fn prose(&self) -> Vec<(usize, &str)> {
        let mut is_open = false;
        let outside = self.numbered().filter(|(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            is_open ^= is_fence;
            !is_open && !is_fence
        });
        outside.collect()
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The lines that people type, of each block.
    pub fn commands(&self) -> Vec<Vec<Command>> {
        let mut blocks = Vec::new();
        for (info, lines) in self.blocks() {
            let mut commands: Vec<Command> = Vec::new();
            let mut goes_on = false;
            for (number, line) in lines {
                let typed = match info {
                    "console" => line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")),
                    "sh" => Some(line).filter(|line| !line.is_empty() && !line.starts_with('#')),
                    _ => break,
                };
                let last = commands.last_mut();
                match (typed, last) {
                    (_, Some(last)) if goes_on => last.line.extend(["\n", line]),
                    (Some(typed), _) => commands.push(Command {
                        at: format!("{}:{number}", self.path),
                        line: typed.to_owned(),
                        output: Vec::new(),
                    }),
                    (None, Some(last)) if info == "console" => last.output.push(line.to_owned()),
                    (None, _) => {}
                }
                goes_on = line.ends_with('\\');
            }
            blocks.push(commands);
        }
        blocks
    }

    /// The code in the text, between backquotes.
    pub fn spans(&self) -> Vec<Command> {
        let mut spans = Vec::new();
        let mut paragraph: Vec<(usize, &str)> = Vec::new();
        for (number, line) in self.prose().into_iter().chain([(0, "")]) {
            let is_row = line.starts_with('|');
            if line.is_empty() || is_row {
                spans.extend(self.spans_of(&paragraph));
                paragraph.clear();
            }
            if is_row {
                spans.extend(self.spans_of(&[(number, line)]));
            } else if !line.is_empty() {
                paragraph.push((number, line));
            }
        }
        spans
    }

    fn spans_of(&self, paragraph: &[(usize, &str)]) -> Vec<Command> {
        let Some((first, _)) = paragraph.first() else {
            return Vec::new();
        };
        let lines: Vec<&str> = paragraph.iter().map(|(_, line)| *line).collect();
        let text = lines.join("\n");
        let parts: Vec<&str> = text.split('`').collect();
        assert!(parts.len() % 2 == 1, "{}:{first}: a backquote without another", self.path);
        let spans = parts.iter().enumerate().filter(|(index, _)| index % 2 == 1);
        let of = |(index, span): (usize, &&str)| Command {
            at: format!("{}:{}", self.path, first + parts[..index].join("").matches('\n').count()),
            line: span.split_whitespace().collect::<Vec<_>>().join(" ").replace("\\|", "|"),
            output: Vec::new(),
        };
        spans.map(of).collect()
    }
}

/// Times, versions and numbers of processes are others here.
pub fn without_numbers(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.chars() {
        let letter = if letter.is_ascii_digit() { '0' } else { letter };
        if letter != '0' || !plain.ends_with('0') {
            plain.push(letter);
        }
    }
    plain
}

/// A release that was built from a checkout names its commit before its process: `(3a148af03fe3, process 7)`.
fn without_commits(words: &str) -> String {
    let mut parts = words.split(", process ");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_commit =
            |commit: &str| commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        match plain.rfind('(').filter(|bracket| is_commit(&plain[bracket + 1..])) {
            Some(bracket) => plain.replace_range(bracket + 1.., "process "),
            None => plain.push_str(", process "),
        }
        plain.push_str(part);
    }
    plain
}

/// Each line that the page shows is among the words that were said, in order; `…` stands for anything.
#[track_caller]
pub fn assert_shown(shown: &[String], words: &str, at: &str) {
    let words = without_commits(words);
    let mut said = words.lines();
    for line in shown {
        let parts: Vec<String> = line.split('…').map(without_numbers).collect();
        let is_it = |found: &str| {
            let mut rest = without_numbers(found);
            let parts_come = parts.iter().all(|part| match rest.find(part.as_str()) {
                Some(start) => {
                    rest = rest.split_off(start + part.len());
                    true
                }
                None => false,
            });
            parts_come && (rest.is_empty() || line.ends_with('…'))
        };
        assert!(said.any(is_it), "{at} shows\n{line}\nand what is said is\n{words}");
    }
}

/// The packages of the workspace beside the program: their names, and where they are.
pub fn packages() -> Vec<(String, PathBuf)> {
    let root = Path::new(ROOT);
    let manifest = |folder: &Path| std::fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
    let quoted = |line: &str| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let all = manifest(root);
    let members = all.lines().find(|line| line.starts_with("members = ")).expect("the members");
    let named = |folder: String| {
        let text = manifest(&root.join(&folder));
        let name =
            text.lines().find(|line| line.starts_with("name = ")).map(&quoted).expect("a name").remove(0);
        (name, root.join(folder))
    };
    quoted(members).into_iter().map(named).collect()
}
