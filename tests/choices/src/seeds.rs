//! The seeds of the stories that a test plays.
//!
//! Enters: the seeds of the plain form and of the long one; `MESH_TESTS_LONG=1` for the long form, `MESH_TESTS_SEED=N` for one seed,
//! `MESH_TESTS_SEED=N..M` for some. Leaves: the seeds to play. Guarantees: seeds that were chosen go before those of a form.

use std::ops::Range;

/// The seeds of one run of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// The seeds.
    pub range: Range<u64>,
    /// Whether somebody has chosen them. They need not show everything then.
    pub are_chosen: bool,
}

impl Seeds {
    /// Those that the environment asks for.
    ///
    /// # Panics
    ///
    /// When `MESH_TESTS_SEED` is not a seed or a range of them.
    pub fn of_environment(plain: Range<u64>, long: Range<u64>) -> Seeds {
        if let Ok(text) = std::env::var("MESH_TESTS_SEED") {
            let range = chosen(&text);
            return Seeds {
                range: range.unwrap_or_else(|| panic!("MESH_TESTS_SEED is N or N..M, not {text}")),
                are_chosen: true,
            };
        }
        let is_long = std::env::var_os("MESH_TESTS_LONG").is_some();
        Seeds {
            range: if is_long { long } else { plain },
            are_chosen: false,
        }
    }
}

fn chosen(text: &str) -> Option<Range<u64>> {
    let (first, end) = match text.split_once("..") {
        Some((first, end)) => (first.parse().ok()?, end.parse().ok()?),
        None => {
            let seed = text.parse().ok()?;
            (seed, seed + 1)
        }
    };
    Some(first..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_number_and_some_are_a_range() {
        assert_eq!(chosen("7"), Some(7..8));
        assert_eq!(chosen("7..9"), Some(7..9));
        for text in ["", "x", "7..", "..7", "-1"] {
            assert_eq!(chosen(text), None, "{text}");
        }
    }
}
