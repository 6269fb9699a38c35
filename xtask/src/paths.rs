//! The paths that the documents name are there. Looked at are links, and code in backticks that
//! reads like a path; not looked at are fenced blocks, addresses, commands, patterns with `*` or
//! `<name>`, and files that git ignores because they come into being later.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::finding::Finding;
use crate::repository::{Repository, has_extension};

const DOCUMENTS: [&str; 3] = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"];

/// Endings by which a path is known even when its first folder is gone.
const FILE_EXTENSIONS: [&str; 14] = [
    "css", "html", "js", "json", "lock", "md", "py", "rs", "sh", "sql", "svelte", "toml", "ts",
    "yml",
];

pub(crate) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let gitignore = repository.read(Path::new(".gitignore"))?;
    let ignored = Ignored::parse(&gitignore);
    let mut documents = repository.files("docs", &["md"])?;
    documents.extend(
        DOCUMENTS
            .map(PathBuf::from)
            .into_iter()
            .filter(|name| repository.has(name)),
    );
    let mut findings = Vec::new();
    for document in documents {
        let text = repository.read(&document)?;
        let beside = document.parent().unwrap_or(Path::new(""));
        for mention in mentions(&text) {
            let places = mention.places(beside, |path| repository.has(path));
            if !places
                .iter()
                .any(|place| ignored.covers(place) || repository.has(place))
            {
                findings.extend(
                    places
                        .first()
                        .map(|place| missing(&document, &mention, place)),
                );
            }
        }
    }
    Ok(findings)
}

fn missing(document: &Path, mention: &Mention<'_>, place: &Path) -> Finding {
    let problem = format!("there is no {}", place.display());
    let advice = match mention.kind {
        Kind::Link => "correct the link; it is counted from the folder of this document",
        Kind::Code => "correct the path; write it in full from the root of the repository",
    };
    Finding::error(document, mention.line, problem, advice)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Link,
    Code,
}

/// A place in a document that may name a path.
#[derive(Debug, PartialEq)]
struct Mention<'a> {
    line: usize,
    kind: Kind,
    text: &'a str,
}

impl Mention<'_> {
    /// Where the path may lie, the likeliest first; nothing when this is not a path.
    fn places(&self, beside: &Path, exists: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        let from_beside = |path: &str| normalise(&beside.join(path));
        match self.kind {
            Kind::Link => link_target(self.text)
                .map(|path| match path.strip_prefix('/') {
                    Some(from_root) => normalise(Path::new(from_root)),
                    None => from_beside(path),
                })
                .into_iter()
                .collect(),
            Kind::Code => {
                let Some(path) = code_path(self.text) else {
                    return Vec::new();
                };
                // `text/event-stream` and `owner/model` look like paths too: only a first folder
                // that is there tells them apart.
                let first = path.split('/').next().unwrap_or(path);
                let known = has_extension(Path::new(path), &FILE_EXTENSIONS)
                    || exists(Path::new(first))
                    || exists(&beside.join(first));
                if known {
                    vec![normalise(Path::new(path)), from_beside(path)]
                } else {
                    Vec::new()
                }
            }
        }
    }
}

/// Links and code in backticks, line by line, without fenced blocks.
fn mentions(document: &str) -> Vec<Mention<'_>> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    for (index, text) in document.lines().enumerate() {
        let start = text.trim_start();
        if let Some(mark) = ["```", "~~~"]
            .into_iter()
            .find(|mark| start.starts_with(mark))
        {
            match fence {
                None => fence = Some(mark),
                Some(open) if open == mark => fence = None,
                Some(_) => {}
            }
            continue;
        }
        if fence.is_none() {
            mentions_of_line(index + 1, text, &mut found);
        }
    }
    found
}

fn mentions_of_line<'a>(line: usize, text: &'a str, found: &mut Vec<Mention<'a>>) {
    let mut push = |kind, text| found.push(Mention { line, kind, text });
    let mut rest = text;
    if let Some((_, target)) = text.split_once("]: ").filter(|_| text.starts_with('[')) {
        push(Kind::Link, target);
    }
    while let Some(at) = rest.find(['`', ']']) {
        let (here, after) = (&rest[at..], &rest[at + 1..]);
        rest = after;
        if let Some(target) = here.strip_prefix("](") {
            if let Some((target, after)) = target.split_once(')') {
                push(Kind::Link, target);
                rest = after;
            }
        } else if here.starts_with('`') {
            let marks = here.len() - here.trim_start_matches('`').len();
            let (mark, inner) = here.split_at(marks);
            rest = inner;
            if let Some((code, after)) = inner.split_once(mark) {
                push(Kind::Code, code.trim());
                rest = after;
            }
        }
    }
}

/// The path of a link, without title and fragment; nothing for addresses and places on the page.
fn link_target(target: &str) -> Option<&str> {
    let target = target.split_whitespace().next()?;
    let target = target.trim_start_matches('<').trim_end_matches('>');
    let path = target.split(['#', '?']).next()?;
    (!path.is_empty() && !path.contains(':')).then_some(path)
}

/// The path in a piece of code, without a line number or an item behind it: `src/a.rs:7`,
/// `src/a.rs::name`. Nothing for commands, patterns, absolute paths and single words.
fn code_path(code: &str) -> Option<&str> {
    let path = code.split_once("::").map_or(code, |(path, _)| path);
    let path = match path.rsplit_once(':') {
        Some((path, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => path,
        _ => path,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let relative = !path.starts_with(['/', '-']);
    (relative && path.contains('/') && path.chars().all(plain)).then_some(path)
}

/// Takes `.` and `..` away by words alone, as the path may not be there.
fn normalise(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path {
        match part.to_str() {
            Some(".") => {}
            Some("..") => {
                plain.pop();
            }
            _ => plain.push(part),
        }
    }
    plain
}

/// The simple entries of `.gitignore`: `/folder`, `/a/folder` and `name`.
struct Ignored<'a>(Vec<&'a str>);

impl<'a> Ignored<'a> {
    fn parse(gitignore: &'a str) -> Self {
        let entries = gitignore
            .lines()
            .map(|line| line.trim().trim_end_matches('/'));
        Self(
            entries
                .filter(|entry| !entry.is_empty() && !entry.contains(['#', '*', '!']))
                .collect(),
        )
    }

    fn covers(&self, path: &Path) -> bool {
        self.0.iter().any(|entry| match entry.strip_prefix('/') {
            Some(from_root) => path.starts_with(from_root),
            None => path.iter().any(|part| part == *entry),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(document: &str) -> Vec<(usize, Kind, &str)> {
        mentions(document)
            .iter()
            .map(|found| (found.line, found.kind, found.text))
            .collect()
    }

    #[test]
    fn links_and_code_are_found_with_their_lines() {
        let document = "See [`a/b.rs`](../a/b.rs) and\n`` c/d.md ``, ![p](p.png \"t\").\n[r]: e.md";
        assert_eq!(
            texts(document),
            [
                (1, Kind::Code, "a/b.rs"),
                (1, Kind::Link, "../a/b.rs"),
                (2, Kind::Code, "c/d.md"),
                (2, Kind::Link, "p.png \"t\""),
                (3, Kind::Link, "e.md"),
            ]
        );
    }

    #[test]
    fn fenced_blocks_are_not_looked_at() {
        let document = "```sh\n`a/b.rs`\n~~~\n```\n`c/d.rs`\n";
        assert_eq!(texts(document), [(5, Kind::Code, "c/d.rs")]);
    }

    #[test]
    fn a_lone_mark_does_not_swallow_the_rest_of_the_line() {
        assert_eq!(texts("a ` b [c](d.md) ](e"), [(1, Kind::Link, "d.md")]);
    }

    #[test]
    fn a_link_loses_its_title_and_fragment_and_an_address_is_no_path() {
        assert_eq!(link_target("a/b.md#part \"title\""), Some("a/b.md"));
        assert_eq!(link_target("https://example.com/a.md"), None);
        assert_eq!(link_target("mailto:a@example.com"), None);
        assert_eq!(link_target("#part"), None);
    }

    #[test]
    fn code_is_a_path_only_when_it_is_one_relative_path_and_nothing_else() {
        assert_eq!(code_path("crates/a/src/b.rs"), Some("crates/a/src/b.rs"));
        assert_eq!(code_path("crates/a/src/b.rs:12"), Some("crates/a/src/b.rs"));
        assert_eq!(
            code_path("crates/a/src/b.rs::run"),
            Some("crates/a/src/b.rs")
        );
        for other in [
            "cargo run a/b.rs",
            "~/a/b.rs",
            "/api/v1/chat",
            "crates/*/src",
            "crates/<name>/src/lib.rs",
            "http://localhost/a.js",
            "Cargo.toml",
        ] {
            assert_eq!(code_path(other), None, "{other}");
        }
    }

    #[test]
    fn code_counts_as_a_path_by_its_folder_or_by_its_ending() {
        let exists = |path: &Path| {
            ["crates", "docs", "docs/adr"]
                .map(Path::new)
                .contains(&path)
        };
        let places = |text| {
            Mention {
                line: 1,
                kind: Kind::Code,
                text,
            }
            .places(Path::new("docs"), exists)
        };
        let expected = |paths: [&str; 2]| paths.map(PathBuf::from).to_vec();
        assert_eq!(
            places("crates/gone"),
            expected(["crates/gone", "docs/crates/gone"])
        );
        assert_eq!(places("adr/0001"), expected(["adr/0001", "docs/adr/0001"]));
        assert_eq!(
            places("gone/a.rs"),
            expected(["gone/a.rs", "docs/gone/a.rs"])
        );
        assert!(places("text/event-stream").is_empty());
        assert!(places("google/gemini-2.5").is_empty());
    }

    #[test]
    fn a_link_is_counted_from_its_document_and_from_the_root_with_a_slash() {
        let places = |text| {
            Mention {
                line: 1,
                kind: Kind::Link,
                text,
            }
            .places(Path::new("docs"), |_| false)
        };
        assert_eq!(places("../README.md"), [PathBuf::from("README.md")]);
        assert_eq!(places("./api.md#chat"), [PathBuf::from("docs/api.md")]);
        assert_eq!(places("/docs/api.md"), [PathBuf::from("docs/api.md")]);
    }

    #[test]
    fn what_git_ignores_may_be_missing() {
        let ignored = Ignored::parse("/target\n/web/dist/\nnode_modules\n# note\n*.profraw\n");
        assert!(ignored.covers(Path::new("target/release/nexus")));
        assert!(ignored.covers(Path::new("web/dist/index.html")));
        assert!(ignored.covers(Path::new("web/node_modules/a.js")));
        assert!(!ignored.covers(Path::new("web/src/target")));
        assert!(!ignored.covers(Path::new("note")));
    }
}
