//! Topics: where in a table a pattern is told, and a path looked for.
//!
//! Enters: patterns and paths. Leaves: keys in lower case, since letter case does not count for some patterns. Guarantees: a path that
//! a pattern matches is looked for under the pattern's topic. An ordinary path is looked for without an allocation.

use super::LONGEST_TOPIC;
use mesh_wire::address::EXCHANGE;
use mesh_wire::pattern::{ANY, Pattern, parts_of, without_slash};

/// Where documents lie that each node has for itself.
const SYSTEM: &str = "/_SYSTEM/";
/// Where each node describes itself to its clients.
const SCHEMA: &str = "/mesh/schema/";
/// The first segment of topics with three segments.
const EVENTS: &str = "_events";

/// Whether publications on a path go to other nodes at all. Calls, answers, descriptions and the host's own documents do
/// not.
pub fn may_cross(path: &str) -> bool {
    let bare = without_slash(path);
    let kept = [EXCHANGE, SYSTEM, SCHEMA];
    !kept.iter().any(|kept| bare.starts_with(without_slash(kept)))
}

/// The topic of a pattern. `None` when nothing that it matches goes to other nodes.
pub(super) fn of_pattern(pattern: &Pattern) -> Option<String> {
    let literal = match pattern {
        Pattern::Everything => "",
        Pattern::Exact(path) => path,
        Pattern::ExactText(path) => without_slash(path),
        Pattern::Text { prefix, .. } => {
            // The text behind the last slash may go on.
            let bare = without_slash(prefix);
            &bare[..bare.rfind('/').unwrap_or(0)]
        }
        Pattern::Segments(segments) | Pattern::Deep(segments) => {
            let literal = parts_of(segments).take_while(|segment| *segment != ANY);
            let length: usize = literal.map(|segment| segment.len() + 1).sum();
            &segments[..length.saturating_sub(1)]
        }
        Pattern::Below(_) => return None,
    };
    let is_below = |folder: &str| match pattern {
        Pattern::Exact(_) => literal.starts_with(without_slash(folder)),
        // Letter case does not count, and other letters name other folders.
        Pattern::ExactText(_) => false,
        _ => literal.split('/').next() == Some(folder.trim_matches('/')),
    };
    if is_below(EXCHANGE) || is_below(SYSTEM) {
        return None;
    }
    let lower = literal.to_lowercase();
    let length = ends(&lower).last().unwrap_or(0);
    Some(lower[..length].to_owned())
}

/// Calls `found` with each topic under which patterns may be that match a path.
pub(super) fn each_of_path(path: &str, mut found: impl FnMut(&str)) {
    let bare = without_slash(path);
    found("");
    // Topics do not lie behind the first segments, and not behind this length.
    let front = ends(bare).last().unwrap_or(0);
    let mut room = [0; LONGEST_TOPIC];
    let lower_text;
    let lower = match room.get_mut(..front) {
        Some(room) if bare.as_bytes()[..front].is_ascii() => {
            room.copy_from_slice(&bare.as_bytes()[..front]);
            room.make_ascii_lowercase();
            std::str::from_utf8(room).unwrap_or_default()
        }
        _ => {
            lower_text = bare.to_lowercase();
            &lower_text
        }
    };
    for end in ends(lower) {
        found(&lower[..end]);
    }
}

/// Where the first segments of a path end: as many as a topic may have, and none behind the longest topic.
fn ends(bare: &str) -> impl Iterator<Item = usize> {
    let first = bare.split('/').next().unwrap_or_default();
    let most = match first.eq_ignore_ascii_case(EVENTS) {
        true => 3,
        false => 2,
    };
    let slashes = bare.match_indices('/').map(|(position, _)| position);
    let ends = slashes.chain([bare.len()]).take(most);
    ends.filter(|end| (1..=LONGEST_TOPIC).contains(end))
}
