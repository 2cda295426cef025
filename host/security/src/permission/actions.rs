//! Actions of requests, and sets of them as permissions name them.
//!
//! Enters: words of permissions, actions of requests, verbs of HTTP. Leaves: small sets that answer whether an
//! action is in them. Guarantees: only the words that permissions may have become part of a set.

/// The request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Reading documents. Counting them is the same right: a count tells what documents contain.
    Get,
    /// Writing a document, calling a method, emitting an event.
    Set,
    /// Removing documents.
    Remove,
    /// Subscribing.
    On,
    /// The HTTP verb.
    Delete,
    /// The HTTP verb.
    Put,
    /// The HTTP verb.
    Post,
    /// The HTTP verb.
    Head,
    /// The HTTP verb.
    Options,
    /// The HTTP verb.
    Patch,
    /// An HTTP verb that no permission can name: only `*` covers it.
    Other,
}

impl Action {
    /// The word that permissions have for it.
    pub fn word(self) -> &'static str {
        Actions::of(self).words().next().unwrap_or("other")
    }

    /// The action of an HTTP request, whose path begins with `/@HTTP`.
    pub fn of_verb(verb: &str) -> Action {
        match verb.to_ascii_lowercase().as_str() {
            "get" => Action::Get,
            "delete" => Action::Delete,
            "put" => Action::Put,
            "post" => Action::Post,
            "head" => Action::Head,
            "options" => Action::Options,
            "patch" => Action::Patch,
            _ => Action::Other,
        }
    }
}

/// The words of permissions with their place in a set, in the order in which they are written.
pub(super) const WORDS: [(&str, Actions); 11] = [
    ("*", Actions::ANY),
    ("delete", Actions::of(Action::Delete)),
    ("get", Actions::of(Action::Get)),
    ("head", Actions::of(Action::Head)),
    ("on", Actions::of(Action::On)),
    ("options", Actions::of(Action::Options)),
    ("patch", Actions::of(Action::Patch)),
    ("post", Actions::of(Action::Post)),
    ("put", Actions::of(Action::Put)),
    ("remove", Actions::of(Action::Remove)),
    ("set", Actions::of(Action::Set)),
];

/// A set of words of permissions. `*` is a word of its own: taking `get` away from it leaves `*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Actions(u16);

impl Actions {
    /// Nothing.
    pub const NONE: Actions = Actions(0);
    /// The word `*`.
    pub const ANY: Actions = Actions(1);

    /// One action. [`Action::Other`] has no word, and gives the empty set.
    pub const fn of(action: Action) -> Actions {
        Actions(match action {
            Action::Get => 1 << 1,
            Action::Set => 1 << 2,
            Action::Remove => 1 << 3,
            Action::On => 1 << 4,
            Action::Delete => 1 << 5,
            Action::Put => 1 << 6,
            Action::Post => 1 << 7,
            Action::Head => 1 << 8,
            Action::Options => 1 << 9,
            Action::Patch => 1 << 10,
            Action::Other => 0,
        })
    }

    /// The set of one word; `None` for a word that permissions do not have.
    pub fn of_word(word: &str) -> Option<Actions> {
        WORDS
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, actions)| *actions)
    }

    /// Whether the action, or `*`, is in it.
    pub const fn admits(self, action: Action) -> bool {
        self.0 & (Actions::of(action).0 | Actions::ANY.0) != 0
    }

    /// Whether all words of the other set are in this one; `*` stands for nothing but itself here.
    pub const fn contains(self, other: Actions) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The actions that are in either set.
    #[must_use]
    pub const fn union(self, other: Actions) -> Actions {
        Actions(self.0 | other.0)
    }

    /// The actions that are in this set only.
    #[must_use]
    pub const fn without(self, other: Actions) -> Actions {
        Actions(self.0 & !other.0)
    }

    /// The words, sorted.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        WORDS
            .into_iter()
            .filter(move |(_, actions)| self.contains(*actions))
            .map(|(word, _)| word)
    }
}

impl FromIterator<Actions> for Actions {
    fn from_iter<Sets: IntoIterator<Item = Actions>>(sets: Sets) -> Actions {
        sets.into_iter().fold(Actions::NONE, Actions::union)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_and_written_and_others_are_not() {
        for (word, actions) in WORDS {
            assert_eq!(Actions::of_word(word), Some(actions));
            assert_eq!(actions.words().collect::<Vec<_>>(), [word]);
        }
        for word in ["", "fly", "GET", "count", "get ", "**", "__proto__"] {
            assert_eq!(Actions::of_word(word), None, "{word}");
        }
    }

    #[test]
    fn the_star_admits_everything_and_a_word_only_itself() {
        assert!(Actions::ANY.admits(Action::Other));
        assert!(Actions::ANY.admits(Action::Set));
        let get = Actions::of(Action::Get);
        assert!(get.admits(Action::Get));
        assert!(!get.admits(Action::Set));
        assert!(!get.admits(Action::Other));
        assert!(!Actions::NONE.admits(Action::Other));
    }

    #[test]
    fn sets_are_joined_and_taken_apart() {
        let both = Actions::of(Action::Set).union(Actions::of(Action::Get));
        assert_eq!(both.words().collect::<Vec<_>>(), ["get", "set"]);
        assert_eq!(both.without(Actions::of(Action::Get)), Actions::of(Action::Set));
        assert_eq!(Actions::ANY.without(both), Actions::ANY);
    }

    #[test]
    fn verbs_are_actions_in_any_letters() {
        assert_eq!(Action::of_verb("GET"), Action::Get);
        assert_eq!(Action::of_verb("Patch"), Action::Patch);
        assert_eq!(Action::of_verb("SET"), Action::Other);
        assert_eq!(Action::of_verb("TRACE"), Action::Other);
    }
}
