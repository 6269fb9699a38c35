//! Each Rust file opens with `//!`, so that a reader knows what it is for before the first item.

use crate::Result;
use crate::finding::Finding;
use crate::repository::Repository;

pub(crate) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for folder in ["crates", "xtask"] {
        for file in repository.files(folder, &["rs"])? {
            if !opens_with_header(&repository.read(&file)?) {
                findings.push(Finding::error(
                    file,
                    1,
                    "the first line is not a `//!` comment",
                    "open the file with one to five `//!` lines: what it is for, and who calls it",
                ));
            }
        }
    }
    Ok(findings)
}

fn opens_with_header(source: &str) -> bool {
    source
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("//!"))
        .is_some_and(|words| !words.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_the_first_line_and_says_something() {
        assert!(opens_with_header("//! The clock.\nuse std::time;\n"));
        assert!(!opens_with_header("//!\n//! The clock.\n"));
        assert!(!opens_with_header("\n//! The clock.\n"));
        assert!(!opens_with_header("// The clock.\n"));
        assert!(!opens_with_header(""));
    }
}
