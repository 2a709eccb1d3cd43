//! What the fuzzer found worth keeping, once more.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use owl_fuzz::TARGETS;

#[test]
fn nothing_that_was_ever_found_breaks_a_decoder() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let inputs: Vec<_> = fs::read_dir(corpus.join(name))
            .unwrap_or_else(|error| panic!("the corpus of {name}: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            let octets = fs::read(&input).unwrap();
            let ended = catch_unwind(|| target(&octets));
            assert!(ended.is_ok(), "{}", input.display());
        }
    }
}

#[test]
fn each_decoder_has_its_binary_and_its_corpus() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (folder, extension) in [("fuzz_targets", ".rs"), ("corpus", "")] {
        let mut found: Vec<_> = fs::read_dir(here.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.trim_end_matches(extension).to_owned())
            .collect();
        found.sort();
        assert_eq!(found, TARGETS.map(|(name, _)| name), "{folder}");
    }
}
