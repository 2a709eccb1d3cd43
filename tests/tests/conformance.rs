//! The tables of docs/conformance.md: what they say is shown by a test is shown by one that exists.

use std::fs;
use std::io;
use std::path::Path;

use owl_tests::repository;

/// The source of every crate whose tests the tables may name.
fn sources(folder: &Path, into: &mut String) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(path)?);
        }
    }
    Ok(())
}

#[test]
fn every_test_that_the_conformance_tables_name_exists() {
    let page = fs::read_to_string(repository().join("docs/conformance.md")).unwrap();
    let mut source = String::new();
    for folder in ["protocol/src", "probe/src", "src", "tests/tests"] {
        sources(&repository().join(folder), &mut source).unwrap();
    }
    let mut named = 0;
    for (row, line) in page
        .lines()
        .filter(|line| line.starts_with('|'))
        .enumerate()
    {
        let shown_by = line.trim_end_matches('|').rsplit('|').next().unwrap();
        let heading = shown_by.contains("Shown by") || shown_by.starts_with("---");
        let told = ["not done", "operator", "none is used"];
        let names: Vec<_> = shown_by.split('`').skip(1).step_by(2).collect();
        assert!(
            heading || !names.is_empty() || told.iter().any(|told| shown_by.contains(told)),
            "row {row} says neither a test nor why there is none: {line}"
        );
        for name in names {
            let test = format!("#[test]\n    fn {name}()");
            let outside = format!("#[test]\nfn {name}()");
            assert!(
                source.contains(&test) || source.contains(&outside),
                "there is no test {name}"
            );
            named += 1;
        }
    }
    assert!(named > 60, "{named} tests are named");
}
