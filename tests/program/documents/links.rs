//! Links between the documents, and to places in them.

use super::page::{self, Page, ROOT};
use std::path::{Component, Path, PathBuf};

/// Where links of the text lead that do not lead out of the repository, each with its line.
fn links(page: &Page) -> Vec<(usize, String)> {
    let of_line = |(number, line): &(usize, &str)| {
        // What stands between backquotes is no link.
        let outside: Vec<&str> = line.split('`').step_by(2).collect();
        let targets = outside.join("`");
        let links = targets.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let inside = links.filter(|target| !target.contains("://")).map(str::to_owned);
        inside.map(|target| (*number, target)).collect::<Vec<_>>()
    };
    page.prose().iter().flat_map(of_line).collect()
}

/// The places of a page that can be named behind `#`, as GitHub makes them of headings.
fn anchors(page: &Page) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for (_, line) in page.prose() {
        let level = line.chars().take_while(|letter| *letter == '#').count();
        let Some(heading) = line[level..].strip_prefix(' ').filter(|_| level > 0) else {
            continue;
        };
        let kept = heading.to_lowercase();
        let kept = kept.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        let anchor: String = kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect();
        let before = anchors.iter().filter(|other| **other == anchor).count();
        anchors.push(if before == 0 { anchor } else { format!("{anchor}-{before}") });
    }
    anchors
}

/// A path as a page names it, from the root.
fn resolve(page: &Page, target: &str) -> PathBuf {
    let mut path = Path::new(&page.path).parent().expect("a folder").to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{}: {target} leads out", page.path),
            part => path.push(part),
        }
    }
    path
}

pub fn check() {
    let mut broken = Vec::new();
    let mut count = 0;
    for page in page::all().iter().chain([&Page::read("ARCHITECTURE.md")]) {
        for (number, target) in links(page) {
            count += 1;
            let (file, place) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() { PathBuf::from(&page.path) } else { resolve(page, file) };
            let is_there = Path::new(ROOT).join(&path).exists();
            let has_place = || {
                place.is_empty() || anchors(&Page::read(&path.to_string_lossy())).iter().any(|at| at == place)
            };
            if !is_there || !has_place() {
                broken.push(format!("{}:{number}: {target}", page.path));
            }
        }
    }
    assert!(broken.is_empty(), "these lead nowhere:\n{}", broken.join("\n"));
    assert!(count > 30, "links are found: {count}");
}
