//! T39: what is built comes from the lock files and from nowhere else. The gates themselves run in
//! `make test`; here is checked that nobody has opened one of them.

use std::path::Path;

use crate::Result;
use crate::finding::Finding;
use crate::repository::Repository;

/// Where commands are written down that build or fetch something.
const SCRIPTS: [&str; 4] = [
    "Makefile",
    ".ci/run",
    ".cargo/config.toml",
    "scripts/install-test-tools",
];

/// What each of these files must say, as a line of its own.
const GATES: [(&str, &str, &str); 8] = [
    (
        "deny.toml",
        "unknown-registry = \"deny\"",
        "crates come from crates.io only",
    ),
    (
        "deny.toml",
        "unknown-git = \"deny\"",
        "crates come from no repository",
    ),
    (
        "deny.toml",
        "allow-registry = [\"https://github.com/rust-lang/crates.io-index\"]",
        "crates come from crates.io only",
    ),
    (
        "deny.toml",
        "wildcards = \"deny\"",
        "each dependency says its version",
    ),
    (
        "deny.toml",
        "[advisories]",
        "known faults of crates are looked for",
    ),
    (
        "Cargo.toml",
        "unsafe_code = \"forbid\"",
        "no crate of ours is unsafe",
    ),
    (
        "Makefile",
        "cargo deny --locked check licenses bans sources",
        "licences and sources are checked by `make test`",
    ),
    (
        "Makefile",
        "cargo deny --locked check --disable-fetch advisories; \\",
        "known faults are checked by `make test`",
    ),
];

/// Commands of cargo that read no lock file, or are ours.
const WITHOUT_LOCK: [&str; 3] = ["fmt", "clean", "xtask"];

/// What a program needs that fetches something while it is built.
const FETCHES: [&str; 8] = [
    "http:",
    "https:",
    "TcpStream",
    "UdpSocket",
    "reqwest",
    "ureq",
    "curl",
    "Command",
];

pub(crate) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (file, line, promise) in GATES {
        let text = repository.read(Path::new(file))?;
        if !text.lines().any(|found| found.trim() == line) {
            let advice = format!("write the line `{line}`: {promise}");
            findings.push(Finding::error(file, 1, "a gate is open", advice));
        }
    }
    for script in SCRIPTS {
        let text = repository.read(Path::new(script))?;
        let open = unlocked(&text).into_iter().map(|(line, command)| {
            let advice = "add --locked, or use `npm ci --ignore-scripts`";
            let problem = format!("not from the lock file: {command}");
            Finding::error(script, line, problem, advice)
        });
        findings.extend(open);
    }
    for folder in ["crates", "bench", "xtask"] {
        for file in repository.files(folder, &["rs", "toml"])? {
            let text = repository.read(&file)?;
            findings.extend(defects(&file, &text));
        }
    }
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let text = repository.read(Path::new(lock))?;
        let strange = strangers(&text).into_iter().map(|(line, what)| {
            let advice = "take it from crates.io, or as a folder of this repository".to_owned();
            Finding::error(lock, line, what, advice)
        });
        findings.extend(strange);
    }
    Ok(findings)
}

/// The commands that do not ask for the versions of a lock file, with their lines.
fn unlocked(script: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(script.lines()) {
        // `everything` and the alias of xtask say it themselves.
        let is_locked = line.contains("--locked") || line.contains("$(everything)");
        let words: Vec<_> = line
            .split(|c: char| c.is_whitespace() || "'\"@;()".contains(c))
            .filter(|word| !word.is_empty())
            .collect();
        let is_comment = line.trim_start().starts_with('#');
        for pair in words.windows(2) {
            let [program, command] = pair else { continue };
            let is_open = match *program {
                "cargo" => {
                    let is_command = command.chars().all(|c| c.is_ascii_lowercase());
                    is_command && !WITHOUT_LOCK.contains(command) && !is_locked
                }
                "npm" => {
                    let fetches = ["ci", "install", "i", "add", "update"].contains(command);
                    fetches && !(*command == "ci" && line.contains("--ignore-scripts"))
                }
                _ => false,
            };
            if is_open && !is_comment {
                found.push((number, format!("{program} {command}")));
            }
        }
    }
    found
}

/// A crate that does not follow the rules of the workspace, or that fetches while it is built.
fn defects(file: &Path, text: &str) -> Vec<Finding> {
    let name = file.file_name().and_then(|name| name.to_str());
    let problem = match name {
        Some("Cargo.toml") if !text.contains("[lints]\nworkspace = true") => (
            "does not follow the lints of the workspace",
            "add `[lints]` with `workspace = true`",
        ),
        Some("Cargo.toml") if text.contains("git = \"") => {
            ("a dependency is a repository", "take it from crates.io")
        }
        Some("build.rs") if FETCHES.iter().any(|word| text.contains(word)) => (
            "it could fetch something while it is built",
            "commit what it needs",
        ),
        _ => return Vec::new(),
    };
    vec![Finding::error(file, 1, problem.0, problem.1)]
}

/// The packages of a lock file that are neither ours nor from crates.io with a checksum.
fn strangers(lock: &str) -> Vec<(usize, String)> {
    const REGISTRY: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let mut found = Vec::new();
    let lines: Vec<_> = lock.lines().collect();
    for (number, line) in (1..).zip(&lines) {
        if line.starts_with("source = ") && *line != REGISTRY {
            found.push((number, format!("a stranger: {line}")));
        }
        let next = lines.get(number);
        if *line == REGISTRY && !next.is_some_and(|it| it.starts_with("checksum = ")) {
            found.push((number, "a package without a checksum".to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t39_this_repository_builds_from_its_lock_files_only() {
        let repository = Repository::of_this_crate().unwrap();
        assert_eq!(check(&repository).unwrap(), []);
    }

    #[test]
    fn t39_a_command_that_takes_any_version_is_found() {
        let script = "\tcargo build --release\n\
                      \tcargo test $(everything)\n\
                      \t@cargo nextest run --locked; cargo fmt --all\n\
                      # cargo install anything\n\
                      \tcd web && npm install left-pad && npm run build\n\
                      \tnpm ci\n\
                      \tnpm ci --ignore-scripts\n";
        let found = unlocked(script);
        let found: Vec<_> = found.iter().map(|(line, it)| (*line, &**it)).collect();
        assert_eq!(
            found,
            [(1, "cargo build"), (5, "npm install"), (6, "npm ci")]
        );
    }

    #[test]
    fn t39_a_package_from_elsewhere_is_found() {
        let lock = "[[package]]\nname = \"ours\"\n\n[[package]]\nname = \"a\"\n\
                    source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
                    checksum = \"00\"\n\n[[package]]\nname = \"b\"\n\
                    source = \"git+https://example.org/b\"\n\n[[package]]\nname = \"c\"\n\
                    source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        let lines: Vec<_> = strangers(lock).iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [11, 15]);
    }

    #[test]
    fn t39_a_build_script_that_fetches_is_found() {
        let build = Path::new("crates/a/build.rs");
        assert_eq!(defects(build, "fn main() { ureq::get(\"x\"); }").len(), 1);
        assert_eq!(defects(build, "fn main() {}").len(), 0);
        let manifest = Path::new("crates/a/Cargo.toml");
        assert_eq!(defects(manifest, "[package]\n").len(), 1);
    }
}
