//! The crates depend on each other in one direction. Cargo refuses circles; this check refuses
//! shortcuts. What only tests need (dev-dependencies) is not counted: that is the one way in which a
//! crate may use [`FOR_TESTS`].

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::Result;
use crate::finding::Finding;
use crate::repository::Repository;

/// Each crate and the crates of ours it may use, from the bottom to the top.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("nexus-api", &[]),
    ("nexus-core", &["nexus-api"]),
    ("nexus-store", &["nexus-api", "nexus-core"]),
    ("nexus-egress", &["nexus-core"]),
    ("nexus-llm", &["nexus-core", "nexus-egress"]),
    ("nexus-mcp", &["nexus-core", "nexus-egress"]),
    (
        "nexus-run",
        &[
            "nexus-api",
            "nexus-core",
            "nexus-store",
            "nexus-llm",
            "nexus-mcp",
        ],
    ),
    (
        "nexus-server",
        &["nexus-api", "nexus-core", "nexus-store", "nexus-run"],
    ),
    (
        "nexus",
        &[
            "nexus-api",
            "nexus-core",
            "nexus-egress",
            "nexus-store",
            "nexus-llm",
            "nexus-mcp",
            "nexus-run",
            "nexus-server",
        ],
    ),
    (
        FOR_TESTS,
        &[
            "nexus-core",
            "nexus-store",
            "nexus-llm",
            "nexus-mcp",
            "nexus-run",
        ],
    ),
    ("nexus-bench", &[]),
    ("xtask", &["nexus-api"]),
];

/// What the tests of all crates share. No row allows it.
const FOR_TESTS: &str = "nexus-test-support";

pub(crate) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(repository.root())
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    let packages = parse(&output.stdout)?;
    let ours: Vec<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut findings = Vec::new();
    for package in &packages {
        let manifest = Path::new(&package.manifest);
        let manifest = manifest.strip_prefix(repository.root()).unwrap_or(manifest);
        let text = repository.read(manifest)?;
        findings.extend(faults(package, &ours).into_iter().map(|fault| {
            let line = line_of(&text, &fault.key);
            Finding::error(manifest, line, fault.problem, fault.advice)
        }));
    }
    Ok(findings)
}

#[derive(Debug, PartialEq)]
struct Package {
    name: String,
    manifest: String,
    /// Names of all crates it is built with, ours and others.
    dependencies: Vec<String>,
}

struct Fault {
    /// The key in the manifest that the fault is about.
    key: String,
    problem: String,
    advice: String,
}

fn parse(metadata: &[u8]) -> Result<Vec<Package>> {
    let metadata: Value = serde_json::from_slice(metadata)?;
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata names no packages")?;
    packages.iter().map(parse_package).collect()
}

fn parse_package(package: &Value) -> Result<Package> {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let dependencies = package["dependencies"]
        .as_array()
        .ok_or("a package has no dependencies")?;
    Ok(Package {
        name: text(&package["name"]).ok_or("a package has no name")?,
        manifest: text(&package["manifest_path"]).ok_or("a package has no manifest path")?,
        dependencies: dependencies
            .iter()
            .filter(|dependency| dependency["kind"] != "dev")
            .filter_map(|dependency| text(&dependency["name"]))
            .collect(),
    })
}

fn faults(package: &Package, ours: &[&str]) -> Vec<Fault> {
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
        return vec![Fault {
            key: "name".to_owned(),
            problem: format!(
                "no direction is written down for the crate {}",
                package.name
            ),
            advice: "add a row to ALLOWED in xtask/src/directions.rs and to docs/architecture.md"
                .to_owned(),
        }];
    };
    let may_use = match allowed {
        [] => "none of our crates".to_owned(),
        _ => allowed.join(", "),
    };
    package
        .dependencies
        .iter()
        .filter(|name| ours.contains(&name.as_str()) && !allowed.contains(&name.as_str()))
        .map(|name| Fault {
            key: name.clone(),
            problem: format!("{} must not depend on {name}", package.name),
            advice: if name == FOR_TESTS {
                "it is for tests only: name it under [dev-dependencies]".to_owned()
            } else {
                format!("it may use {may_use}; move the code, or hand the part in from above")
            },
        })
        .collect()
}

/// The line of `key = …`, `key.workspace = …` or `[dependencies.key]`; the first line if there is
/// none, so that a finding always has a place.
fn line_of(manifest: &str, key: &str) -> usize {
    let names_key = |line: &str| {
        let start = line.strip_prefix("[dependencies.").unwrap_or(line);
        start
            .strip_prefix(key)
            .is_some_and(|rest| rest.starts_with(['.', ' ', '=', ']']))
    };
    manifest
        .lines()
        .position(names_key)
        .map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [&str; 5] = [
        "nexus-core",
        "nexus-store",
        "nexus-llm",
        "nexus-server",
        FOR_TESTS,
    ];

    fn package(name: &str, dependencies: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            manifest: format!("/repository/crates/{name}/Cargo.toml"),
            dependencies: dependencies.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn dependencies_of_tests_are_not_counted() {
        let metadata = br#"{"packages": [{
            "name": "nexus-core",
            "manifest_path": "/repository/crates/nexus-core/Cargo.toml",
            "dependencies": [
                {"name": "serde", "kind": null},
                {"name": "cc", "kind": "build"},
                {"name": "nexus-store", "kind": "dev"}
            ]
        }]}"#;
        assert_eq!(
            parse(metadata).unwrap(),
            [package("nexus-core", &["serde", "cc"])]
        );
    }

    #[test]
    fn a_shortcut_is_refused_and_a_foreign_crate_is_not_our_matter() {
        let found = faults(
            &package("nexus-server", &["axum", "nexus-core", "nexus-llm"]),
            &OURS,
        );
        let problems: Vec<_> = found.iter().map(|fault| fault.problem.as_str()).collect();
        assert_eq!(problems, ["nexus-server must not depend on nexus-llm"]);
    }

    #[test]
    fn no_crate_but_a_test_uses_what_is_for_tests() {
        for (name, allowed) in ALLOWED {
            assert!(!allowed.contains(&FOR_TESTS), "{name}");
            let found = faults(&package(name, &[FOR_TESTS]), &OURS);
            assert!(found[0].advice.contains("[dev-dependencies]"), "{name}");
        }
    }

    #[test]
    fn the_lowest_crate_uses_none_of_ours() {
        let found = faults(&package("nexus-api", &["nexus-store"]), &OURS);
        assert!(
            found[0].advice.contains("none of our crates"),
            "{}",
            found[0].advice
        );
    }

    #[test]
    fn a_crate_without_a_row_is_refused() {
        let found = faults(&package("nexus-other", &[]), &OURS);
        assert!(
            found[0].problem.contains("nexus-other"),
            "{}",
            found[0].problem
        );
    }

    #[test]
    fn no_row_allows_a_crate_that_comes_later() {
        for (index, (name, allowed)) in ALLOWED.iter().enumerate() {
            for used in *allowed {
                assert!(
                    ALLOWED[..index].iter().any(|(below, _)| below == used),
                    "{name}: {used}"
                );
            }
        }
    }

    #[test]
    fn the_line_of_a_dependency_is_found_in_each_spelling() {
        let manifest = "[dependencies]\na-b.workspace = true\na = \"1\"\n\n[dependencies.c]\n";
        assert_eq!(line_of(manifest, "a-b"), 2);
        assert_eq!(line_of(manifest, "a"), 3);
        assert_eq!(line_of(manifest, "c"), 5);
        assert_eq!(line_of(manifest, "d"), 1);
    }
}
