//! Each target with its corpus, and with inputs that are made from it.
//!
//! Enters: the corpora, and the variables of [`mesh_fuzz::campaign`]. Leaves: for a fault, the input in a file of the target
//! folder. Guarantees: each target has a test whose name begins with its own, so that it can be run alone.

use mesh_fuzz::{campaign, targets};
use std::collections::BTreeSet;
use std::path::Path;

/// Where inputs are kept that show a fault.
const KEPT: &str = env!("CARGO_TARGET_TMPDIR");

/// The bytes of all corpora together; a tree is no place for more.
const MOST_BYTES: usize = 1 << 20;

macro_rules! campaigns {
    ($($name:ident: $target:ident,)*) => {
        $(
            #[test]
            fn $name() {
                campaign::run(&targets::$target, Path::new(KEPT));
            }
        )*

        /// The names of the tests above, and the targets that they try.
        const TESTS: &[(&str, &str)] = &[$((stringify!($name), targets::$target.name)),*];
    };
}

campaigns! {
    completions_answer_each_call_exactly_once: COMPLETIONS,
    criteria_written_anew_find_the_same_documents: CRITERIA,
    descriptors_are_refused_in_a_sentence_or_hold_what_they_promise: DESCRIPTORS,
    frames_are_answered_once_and_in_order_with_json: FRAMES,
    heads_are_read_alike_in_whichever_pieces_they_arrive: HEADS,
    mesh_toml_has_mistakes_with_places_and_is_rewritten_as_asked: MESH_TOML,
    meshes_agree_with_a_plain_model_of_documents: MESHES,
    paths_match_as_a_plain_matcher_says: PATHS,
    ranges_agree_with_semver_and_with_each_other: RANGES,
    stores_open_with_what_was_committed_or_say_what_is_damaged: STORES,
    tokens_that_were_not_issued_are_refused: TOKENS,
}

#[test]
fn every_target_has_a_test_that_begins_with_its_name() {
    let tried: BTreeSet<&str> = TESTS.iter().map(|(_, target)| *target).collect();
    let all: BTreeSet<&str> = targets::ALL.iter().map(|target| target.name).collect();
    assert_eq!(tried, all);
    for (test, target) in TESTS {
        assert!(test.starts_with(target), "{test} does not begin with {target}");
    }
}

#[test]
fn every_folder_of_the_corpus_belongs_to_a_target_and_all_are_small() {
    let mut bytes = 0;
    for target in targets::ALL {
        bytes += campaign::seeds_of(target).iter().map(Vec::len).sum::<usize>();
    }
    assert!(bytes < MOST_BYTES, "the corpora have {bytes} bytes");
    let folder = campaign::corpus_of(&targets::PATHS);
    let above = folder.parent().expect("a corpus is in a folder");
    for entry in std::fs::read_dir(above).expect("the corpora can be read") {
        let name = entry.expect("the corpora can be read").file_name();
        let name = name.to_string_lossy();
        assert!(campaign::named(&name).is_some(), "no target is called {name}");
    }
}
