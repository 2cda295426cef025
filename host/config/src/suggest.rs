//! Suggestions for misspelled keys.
//!
//! Enters: a word somebody wrote and the words that would have been right. Leaves: the nearest of them, if
//! one is near enough to be worth saying. Guarantees: bounded work (words much longer than any candidate are
//! not compared) and the same answer for the same input.

/// The candidate nearest to `written`, or `None` when none is close.
///
/// Case, `-` and `_` are ignored first (`maxFrameBytes` means `max_frame_bytes`). Then up to a third of the letters
/// may be wrong, and two swapped neighbours count as one mistake.
pub fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = simplified(written);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let target = simplified(candidate);
        let allowed = plain.len().max(target.len()).max(3) / 3;
        if plain.len().abs_diff(target.len()) > allowed {
            continue;
        }
        let distance = distance(&plain, &target);
        if distance <= allowed && distance < target.len() && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Keys of happn's own configuration, and what says the same here.
const OF_HAPPN: [(&str, &str); 7] = [
    (
        "disableDefaultAdminNetworkConnections",
        "`admin_over_network = false` in [security]",
    ),
    ("allowAnonymousAccess", "`allow_anonymous` in [security]"),
    ("allowLogoutOverHttp", "`http_logout` in [security]"),
    ("sessionTokenSecret", "`token_secret` in [security]"),
    ("exclusions", "`open` in [web]"),
    ("unauthorizedResponsePath", "`unauthorized_page` in [web]"),
    ("forbiddenResponsePath", "`forbidden_page` in [web]"),
];

/// The key of mesh.toml in place of a key of happn's configuration.
pub(super) fn of_happn(written: &str) -> Option<&'static str> {
    let plain = simplified(written);
    let (_, here) = OF_HAPPN.iter().find(|(there, _)| simplified(there) == plain)?;
    Some(here)
}

fn simplified(word: &str) -> Vec<char> {
    word.chars()
        .filter(|letter| !matches!(letter, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Number of letters to insert, remove, replace or swap with a neighbour to turn one word into the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before_previous: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, target) in to.iter().enumerate() {
            let replaced = previous[column] + usize::from(letter != target);
            let mut least = replaced.min(previous[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && *letter == to[column - 1] && from[row - 1] == *target;
            if swapped {
                least = least.min(before_previous[column - 1] + 1);
            }
            current.push(least);
        }
        before_previous = std::mem::replace(&mut previous, current);
    }
    previous[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_a_gap_and_another_spelling_are_near() {
        let keys = ["host", "port", "max_frame_bytes"];
        assert_eq!(nearest("prot", keys), Some("port"));
        assert_eq!(nearest("hos", keys), Some("host"));
        assert_eq!(nearest("maxFrameBytes", keys), Some("max_frame_bytes"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("b", ["a"]), None);
        assert_eq!(nearest("", keys), None);
    }

    #[test]
    fn the_distance_counts_single_edits() {
        let letters = |word: &str| word.chars().collect::<Vec<char>>();
        assert_eq!(distance(&letters("kitten"), &letters("sitting")), 3);
        assert_eq!(distance(&letters("ab"), &letters("ba")), 1);
        assert_eq!(distance(&letters(""), &letters("abc")), 3);
    }
}
