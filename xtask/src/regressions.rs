//! The list of regressions is true: each id has a row, in order, and stands in the first line of at
//! least one test, unless its row says why there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::Result;
use crate::finding::Finding;
use crate::repository::Repository;

const TABLE: &str = "docs/regressions.md";
/// The series of ids, and how many each has.
const SERIES: [(char, usize); 4] = [('S', 15), ('D', 10), ('M', 7), ('P', 9)];
/// The beginning of the last column of a row without a test.
const NO_TEST: &str = "No test";

pub(crate) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let document = repository.read(Path::new(TABLE))?;
    let rows = rows(&document);
    let proofs = proofs(repository)?;
    let mut findings = Vec::new();
    let mut find = |line, problem: String, advice: &str| {
        findings.push(Finding::error(TABLE, line, problem, advice));
    };
    let found: Vec<_> = rows.iter().map(|row| row.id.to_owned()).collect();
    let expected: Vec<_> = SERIES
        .iter()
        .flat_map(|(series, count)| (1..=*count).map(move |number| format!("{series}{number}")))
        .collect();
    if found != expected {
        let advice = "write one row for each id, in the order of the series";
        find(1, format!("the rows are {}", found.join(" ")), advice);
    }
    for row in &rows {
        let files = proofs.get(row.id).cloned().unwrap_or_default();
        if files.is_empty() != row.proof.starts_with(NO_TEST) {
            let advice = "begin the first line of a test with the id, or the last column with \
                          `No test` and the reason";
            find(
                row.line,
                format!("{} has {} tests", row.id, files.len()),
                advice,
            );
        }
        let named: BTreeSet<_> = quoted(row.proof)
            .filter(|text| text.contains('/'))
            .map(PathBuf::from)
            .collect();
        for file in named.difference(&files) {
            let problem = format!("{} has no test of {}", file.display(), row.id);
            find(row.line, problem, "name the files that have one");
        }
        for file in files.difference(&named) {
            let problem = format!("{} has a test of {}", file.display(), row.id);
            find(row.line, problem, "name the file in the row");
        }
    }
    Ok(findings)
}

/// A row of the table.
struct Row<'a> {
    line: usize,
    id: &'a str,
    proof: &'a str,
}

/// The rows whose first column is an id.
fn rows(document: &str) -> Vec<Row<'_>> {
    let lines = (1..).zip(document.lines());
    let rows = lines.filter_map(|(line, text)| {
        let columns: Vec<_> = text.trim().trim_matches('|').split('|').collect();
        let id = columns.first()?.trim();
        let proof = columns.last()?.trim();
        is_id(id).then_some(Row { line, id, proof })
    });
    rows.collect()
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// One of the series' letters and a number.
fn is_id(text: &str) -> bool {
    let mut characters = text.chars();
    let series = characters.next();
    let number = characters.as_str();
    SERIES.iter().any(|(letter, _)| series == Some(*letter))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The ids in the first lines of all tests, with the files of the tests.
fn proofs(repository: &Repository) -> Result<BTreeMap<String, BTreeSet<PathBuf>>> {
    let mut found = BTreeMap::<String, BTreeSet<PathBuf>>::new();
    for (folder, extension) in [("crates", "rs"), ("web", "ts")] {
        for file in repository.files(folder, &[extension])? {
            for id in ids(&repository.read(&file)?) {
                found.entry(id.to_owned()).or_default().insert(file.clone());
            }
        }
    }
    Ok(found)
}

/// The ids that begin a test's documentation (`/// D1, D2: …`) or its title (`test("P1: …"`).
fn ids(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().map(str::trim_start).collect();
    let titles = lines.iter().enumerate().filter_map(|(place, line)| {
        if let Some(first) = line.strip_prefix("/// ") {
            let before = place.checked_sub(1).map_or("", |before| lines[before]);
            return (!before.starts_with("///") && is_of_test(&lines[place..])).then_some(first);
        }
        let title = line.strip_prefix("test(").or(line.strip_prefix("it("))?;
        title.strip_prefix(['"', '`', '\''])
    });
    let ids = titles.filter_map(|title| {
        let (ids, _) = title.split_once(':')?;
        let ids: Vec<_> = ids.split(", ").collect();
        ids.iter().all(|id| is_id(id)).then_some(ids)
    });
    ids.flatten().collect()
}

/// Whether the item behind this documentation is a test.
fn is_of_test(lines: &[&str]) -> bool {
    let mut after = lines.iter().skip_while(|line| line.starts_with("///"));
    after.next().is_some_and(|line| {
        line.starts_with("#[test]")
            || line.starts_with("#[tokio::test")
            || line.starts_with("#[ignore")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_test_names_its_ids() {
        let rust = "/// D1, S2: a stop stores the part.\n/// M1: not the first line.\n#[test]\nfn a() {}\n\
                    /// D3: no test.\nfn b() {}\n    /// S14: nested.\n    #[tokio::test]\n    async fn c() {}\n";
        assert_eq!(ids(rust), ["D1", "S2", "S14"]);
        let page = "test(\"P1: once\", () => {});\n  it(`P2, P3: twice`, () => {});\ntest(\"other: x\");\n";
        assert_eq!(ids(page), ["P1", "P2", "P3"]);
    }

    #[test]
    fn an_id_has_a_letter_of_a_series_and_a_number() {
        for id in ["S1", "D10", "P9"] {
            assert!(is_id(id), "{id}");
        }
        for id in ["", "S", "X1", "S1a", "1", "Step 1"] {
            assert!(!is_id(id), "{id}");
        }
    }

    #[test]
    fn a_row_begins_with_an_id() {
        let document = "| id | a | b |\n|---|---|---|\n| S1 | words | `crates/a/tests/b.rs` |\n";
        let rows = rows(document);
        assert_eq!((rows[0].line, rows[0].id), (3, "S1"));
        assert_eq!(
            quoted(rows[0].proof).collect::<Vec<_>>(),
            ["crates/a/tests/b.rs"]
        );
    }
}
