//! The table of threats is true: each of the forty has a row, and the tests that a row names are in
//! the files that it names.

use std::path::Path;

use crate::Result;
use crate::finding::Finding;
use crate::repository::Repository;

const TABLE: &str = "docs/threats.md";
const COUNT: usize = 40;
/// How a row begins its last column when there is nothing to prove.
const NO_PROOF: [&str; 2] = ["Does not apply", "Not there yet"];

pub(crate) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let document = repository.read(Path::new(TABLE))?;
    let rows = rows(&document);
    let mut findings = Vec::new();
    let mut find = |line, problem: String, advice: &str| {
        findings.push(Finding::error(TABLE, line, problem, advice));
    };
    let numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
    let expected: Vec<_> = (1..=COUNT).collect();
    if numbers != expected {
        let problem = format!("the rows are {numbers:?}");
        find(
            1,
            problem,
            "write one row for each of 01 to 40, in their order",
        );
    }
    let written = written(repository)?;
    for row in &rows {
        let mark = format!("t{:02}", row.number);
        if row.tests.is_empty() != row.needs_no_proof {
            let problem = format!("{mark} has {} tests", row.tests.len());
            let advice = "name the tests that prove it, or begin the last column with `Does not \
                          apply` and say why";
            find(row.line, problem, advice);
        }
        if row.needs_no_proof && written.iter().any(|it| it.contains(&mark)) {
            let problem = format!("there is a test of {mark}, and the row does not know of it");
            find(row.line, problem, "name it in the row");
        }
        let mut proven = vec![false; row.files.len()];
        for test in &row.tests {
            let spellings = [format!("fn {test}("), format!("test(\"{test}\"")];
            let mut is_there = false;
            for (file, proven) in row.files.iter().zip(&mut proven) {
                let text = repository.read(Path::new(file)).unwrap_or_default();
                let holds = spellings.iter().any(|it| text.contains(&**it));
                is_there |= holds;
                *proven |= holds;
            }
            if !is_there || !test.starts_with(&mark) {
                let problem = format!("no file of this row has the test {test}");
                find(row.line, problem, "correct its name, or the file behind it");
            }
        }
        for (file, _) in row.files.iter().zip(proven).filter(|(_, proven)| !proven) {
            let problem = format!("{file} has no test that this row names");
            find(
                row.line,
                problem,
                "name one of its tests, or leave the file out",
            );
        }
    }
    Ok(findings)
}

/// A row of the table.
#[derive(Debug, PartialEq)]
struct Row<'a> {
    line: usize,
    number: usize,
    tests: Vec<&'a str>,
    files: Vec<&'a str>,
    needs_no_proof: bool,
}

/// The rows whose first column is a number.
fn rows(document: &str) -> Vec<Row<'_>> {
    let lines = (1..).zip(document.lines());
    let rows = lines.filter_map(|(line, text)| {
        let columns: Vec<_> = text.trim().trim_matches('|').split('|').collect();
        let number = columns.first()?.trim().parse().ok()?;
        let proof = columns.last()?.trim();
        // What stands between backticks is every second part.
        let quoted = || proof.split('`').skip(1).step_by(2);
        Some(Row {
            line,
            number,
            tests: quoted().filter(|it| is_test(it)).collect(),
            files: quoted().filter(|it| it.contains('/')).collect(),
            needs_no_proof: NO_PROOF.iter().any(|start| proof.starts_with(start)),
        })
    });
    rows.collect()
}

/// `t01_some_words`, or `t27: some words` in the tests of the page.
fn is_test(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next() == Some('t')
        && characters.next().is_some_and(|c| c.is_ascii_digit())
        && characters.next().is_some_and(|c| c.is_ascii_digit())
        && matches!(characters.next(), Some('_' | ':'))
}

/// The beginnings of the names of all tests of threats: `t01`.
fn written(repository: &Repository) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (folder, extension) in [("crates", "rs"), ("xtask", "rs"), ("web", "ts")] {
        for file in repository.files(folder, &[extension])? {
            let text = repository.read(&file)?;
            let names = text.lines().filter_map(|line| {
                let line = line.trim_start();
                let line = line.strip_prefix("async ").unwrap_or(line);
                let name = line.strip_prefix("fn ").or(line.strip_prefix("test(\""));
                name.filter(|name| is_test(name))
            });
            found.extend(names.filter_map(|name| name.get(..3)).map(str::to_owned));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_tests_and_their_files() {
        let document = "# Threats\n\n\
            | | threat | defence | proof |\n|---|---|---|---|\n\
            | 01 | a | `t99_no` | `t01_some_words` in `crates/a/tests/b.rs`; `t01: on the page` in \
            `web/c.test.ts` |\n\
            | 34 | b | c | Does not apply: there is none. |\n";
        let first = Row {
            line: 5,
            number: 1,
            tests: vec!["t01_some_words", "t01: on the page"],
            files: vec!["crates/a/tests/b.rs", "web/c.test.ts"],
            needs_no_proof: false,
        };
        let second = Row {
            line: 6,
            number: 34,
            tests: Vec::new(),
            files: Vec::new(),
            needs_no_proof: true,
        };
        assert_eq!(rows(document), [first, second]);
    }

    #[test]
    fn a_test_of_a_threat_has_a_number() {
        for name in ["t01_a", "t27: a b"] {
            assert!(is_test(name), "{name}");
        }
        for name in ["t1_a", "test_a", "t011_a", "01", "t01", "crates/t01_a"] {
            assert!(!is_test(name), "{name}");
        }
    }
}
