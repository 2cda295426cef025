//! Common parts of storms: how long they last, and what they choose.

use mesh_choices::Choices;

/// Whether a storm lasts for long.
pub(super) fn is_long() -> bool {
    std::env::var_os("MESH_TESTS_LONG").is_some()
}

/// Choices of a seed that is printed, or that was given to have them again.
pub(super) fn choices() -> Choices {
    let seed = std::env::var("MESH_TESTS_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) * 7919 + 1);
    println!("MESH_TESTS_SEED={seed}");
    Choices::new(seed)
}
