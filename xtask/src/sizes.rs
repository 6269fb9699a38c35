//! A source file stays short enough to be read in one sitting. Tests do not count: a file ends,
//! for this check, at its inline `#[cfg(test)] mod`. The length of functions is clippy's matter.

use std::path::Path;

use crate::Result;
use crate::finding::{Finding, Level};
use crate::repository::{Repository, has_extension};

const WARN_ABOVE: usize = 400;
const FAIL_ABOVE: usize = 600;

const SOURCES: [(&str, &[&str]); 3] = [
    ("crates", &["rs"]),
    ("xtask", &["rs"]),
    ("web/src", &["svelte", "ts", "js"]),
];

pub(crate) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (folder, extensions) in SOURCES {
        for file in repository.files(folder, extensions)? {
            if is_test(&file) {
                continue;
            }
            let source = repository.read(&file)?;
            let lines = if has_extension(&file, &["rs"]) {
                production_lines(&source)
            } else {
                source.lines().count()
            };
            findings.extend(judge(&file, lines));
        }
    }
    Ok(findings)
}

fn judge(file: &Path, lines: usize) -> Option<Finding> {
    let (level, limit) = if lines > FAIL_ABOVE {
        (Level::Error, FAIL_ABOVE)
    } else if lines > WARN_ABOVE {
        (Level::Warning, WARN_ABOVE)
    } else {
        return None;
    };
    Some(Finding {
        level,
        file: file.to_owned(),
        line: limit + 1,
        problem: format!("{lines} lines without tests, the limit is {limit}"),
        advice: "move one of its subjects to a file of its own".to_owned(),
    })
}

/// Files that hold only tests or benchmarks, in Rust or in the page.
fn is_test(file: &Path) -> bool {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name == "tests.rs"
        || name.contains(".test.")
        || name.contains(".spec.")
        || file
            .components()
            .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
}

/// The lines before the inline test module. Clippy's `items_after_test_module` makes sure that
/// nothing but tests comes after it.
fn production_lines(source: &str) -> usize {
    let mut count = 0;
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            let mut attributes = 0;
            while lines.next_if(|line| line.starts_with("#[")).is_some() {
                attributes += 1;
            }
            if lines.peek().is_some_and(|line| opens_module(line)) {
                return count;
            }
            count += attributes;
        }
        count += 1;
    }
    count
}

fn opens_module(line: &str) -> bool {
    line.starts_with("mod ") && line.ends_with('{')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inline_test_module_does_not_count() {
        let source = "//! A.\nfn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(production_lines(source), 2);
    }

    #[test]
    fn attributes_between_the_condition_and_the_module_do_not_hide_it() {
        let source = "fn a() {}\n#[cfg(test)]\n#[expect(dead_code)]\nmod tests {\n}\n";
        assert_eq!(production_lines(source), 1);
    }

    #[test]
    fn a_test_only_item_or_a_module_in_another_file_does_not_end_the_count() {
        let source = "#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[inline]\nfn a() {}\nfn b() {}\n";
        assert_eq!(production_lines(source), 6);
    }

    #[test]
    fn a_file_is_warned_about_above_400_lines_and_refused_above_600() {
        let level = |lines| judge(Path::new("a.rs"), lines).map(|finding| finding.level);
        assert_eq!(level(400), None);
        assert_eq!(level(401), Some(Level::Warning));
        assert_eq!(level(600), Some(Level::Warning));
        assert_eq!(level(601), Some(Level::Error));
    }

    #[test]
    fn files_that_hold_only_tests_are_left_out() {
        for file in [
            "crates/a/tests/it/main.rs",
            "crates/a/src/b/tests.rs",
            "web/src/a.test.ts",
        ] {
            assert!(is_test(Path::new(file)), "{file}");
        }
        for file in [
            "crates/a/src/lib.rs",
            "crates/a/src/contests.rs",
            "web/src/App.svelte",
        ] {
            assert!(!is_test(Path::new(file)), "{file}");
        }
    }
}
