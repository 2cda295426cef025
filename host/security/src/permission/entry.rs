//! Grants and prohibitions on one path: as sets, which decide, and as the words in which they were written, which are
//! shown.
//!
//! Enters: sets of actions, and words in an order. Leaves: the same, joined and taken apart, and as JSON. Guarantees:
//! a word occurs once. Words stay in the order in which they came. A list of words is a number, and takes no memory
//! of its own.

use super::actions::{Actions, WORDS};
use serde_json::{Map, Value, json};

/// The actions that are granted and those that are forbidden on one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permission {
    /// Granted, unless something forbids it.
    pub allowed: Actions,
    /// Forbidden, whatever grants it.
    pub prohibited: Actions,
}

impl Permission {
    /// Grants these.
    pub const fn allow(allowed: Actions) -> Permission {
        Permission {
            allowed,
            prohibited: Actions::NONE,
        }
    }

    /// Forbids these.
    pub const fn prohibit(prohibited: Actions) -> Permission {
        Permission {
            allowed: Actions::NONE,
            prohibited,
        }
    }

    /// Both together: what permissions of several groups on one path mean.
    #[must_use]
    pub const fn union(self, other: Permission) -> Permission {
        Permission {
            allowed: self.allowed.union(other.allowed),
            prohibited: self.prohibited.union(other.prohibited),
        }
    }
}

/// How many bits of a list a word takes. None of them set is the end of the list.
const BITS: u32 = 4;

/// Words of permissions in the order in which they were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words(u64);

impl Words {
    /// No words.
    pub const NONE: Words = Words(0);

    /// The same, and behind them the words of a set that are not among them, sorted.
    #[must_use]
    pub fn with(self, more: Actions) -> Words {
        let missing = more.without(self.actions());
        let mut words = self;
        for (place, (_, word)) in (1..).zip(WORDS) {
            if missing.contains(word) {
                words.0 |= place << words.end();
            }
        }
        words
    }

    /// The same, and behind them the others, as far as they are not among them.
    #[must_use]
    pub fn joined(self, others: Words) -> Words {
        others.each().fold(self, Words::with)
    }

    /// Those that are not in a set. `*` stands for nothing but itself here.
    #[must_use]
    pub fn without(self, taken: Actions) -> Words {
        let left = self.each().filter(|word| !taken.contains(*word));
        left.fold(Words::NONE, Words::with)
    }

    /// Those that are in a set.
    #[must_use]
    pub fn within(self, kept: Actions) -> Words {
        self.without(self.actions().without(kept))
    }

    /// The set that they are.
    pub fn actions(self) -> Actions {
        self.each().collect()
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the order says nothing: that of [`Words::from`].
    pub fn is_sorted(self) -> bool {
        self == Words::from(self.actions())
    }

    /// The words.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        self.each().flat_map(Actions::words)
    }

    /// Each word as a set of its own.
    pub fn each(self) -> impl Iterator<Item = Actions> {
        let places = (0..self.end()).step_by(BITS as usize);
        let places = places.map(move |at| (self.0 >> at) & ((1 << BITS) - 1));
        places.filter_map(|place| {
            let place = usize::try_from(place).ok()?.checked_sub(1)?;
            WORDS.get(place).map(|(_, word)| *word)
        })
    }

    /// Where the list ends, in bits.
    const fn end(self) -> u32 {
        (u64::BITS - self.0.leading_zeros()).next_multiple_of(BITS)
    }
}

/// The words of a set, sorted.
impl From<Actions> for Words {
    fn from(actions: Actions) -> Words {
        Words::NONE.with(actions)
    }
}

/// Which of two lists of words stands in front where they are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// The older words: the newer ones are added to them.
    Older,
    /// The newer words.
    Newer,
}

/// A permission in the words in which it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Granted, unless something forbids it.
    pub allowed: Words,
    /// Forbidden, whatever grants it.
    pub prohibited: Words,
}

impl Written {
    /// Its meaning, in any order.
    pub fn meaning(self) -> Permission {
        Permission {
            allowed: self.allowed.actions(),
            prohibited: self.prohibited.actions(),
        }
    }

    /// Whether it says nothing.
    pub const fn is_empty(self) -> bool {
        self.allowed.is_empty() && self.prohibited.is_empty()
    }

    /// Both together, the words of the other one behind.
    #[must_use]
    pub fn joined(self, other: Written) -> Written {
        Written {
            allowed: self.allowed.joined(other.allowed),
            prohibited: self.prohibited.joined(other.prohibited),
        }
    }

    /// The entry that is stored when `newer` is written over this: an action is granted or forbidden, as was said
    /// last.
    pub(super) fn overwritten_by(self, newer: Written, front: Front) -> Written {
        let said = newer.meaning();
        let both = match front {
            Front::Older => self.joined(newer),
            Front::Newer => newer.joined(self),
        };
        Written {
            allowed: both.allowed.without(said.prohibited),
            prohibited: both.prohibited.without(said.allowed.without(said.prohibited)),
        }
    }

    /// The rest without these. `*` takes everything of its kind away.
    pub(super) fn without(self, taken: Permission) -> Written {
        fn left(words: Words, taken: Actions) -> Words {
            if taken.contains(Actions::ANY) {
                Words::NONE
            } else {
                words.without(taken)
            }
        }
        Written {
            allowed: left(self.allowed, taken.allowed),
            prohibited: left(self.prohibited, taken.prohibited),
        }
    }

    /// The same with sorted words.
    pub(super) fn sorted(self) -> Written {
        self.meaning().into()
    }

    /// As shown: only what is not empty.
    pub fn to_value(self) -> Value {
        let mut entry = Map::new();
        for (key, words) in [("actions", self.allowed), ("prohibit", self.prohibited)] {
            if !words.is_empty() {
                entry.insert(key.to_owned(), json!(words.iter().collect::<Vec<_>>()));
            }
        }
        Value::Object(entry)
    }
}

/// In sorted words.
impl From<Permission> for Written {
    fn from(permission: Permission) -> Written {
        Written {
            allowed: permission.allowed.into(),
            prohibited: permission.prohibited.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Words {
        list.iter().fold(Words::NONE, |words, word| {
            words.with(Actions::of_word(word).unwrap())
        })
    }

    fn list(words: Words) -> Vec<&'static str> {
        words.iter().collect()
    }

    #[test]
    fn words_stay_in_the_order_in_which_they_came_each_once() {
        let written = words(&["set", "*", "get", "set", "delete", "get"]);
        assert_eq!(list(written), ["set", "*", "get", "delete"]);
        assert!(!written.is_sorted());
        let sorted = Words::from(written.actions());
        assert_eq!(list(sorted), ["*", "delete", "get", "set"]);
        assert!(sorted.is_sorted() && Words::NONE.is_sorted());
        assert_eq!(sorted.actions(), written.actions());
    }

    #[test]
    fn all_words_there_are_fit_into_a_list_in_any_order() {
        for first in 0..WORDS.len() {
            let mut all: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
            all.rotate_left(first);
            all.reverse();
            let written = words(&all);
            assert_eq!(list(written), all);
            for taken in WORDS.map(|(_, word)| word) {
                let left = written.without(taken);
                assert_eq!(left.iter().count(), WORDS.len() - 1);
                assert_eq!(left.with(taken).actions(), written.actions());
                assert_eq!(written.within(taken), Words::from(taken));
            }
        }
    }

    #[test]
    fn words_are_joined_behind_and_taken_away_where_they_stand() {
        let joined = words(&["put", "get"]).joined(words(&["head", "get", "delete"]));
        assert_eq!(list(joined), ["put", "get", "head", "delete"]);
        let left = joined.without(Actions::of_word("get").unwrap());
        assert_eq!(list(left), ["put", "head", "delete"]);
        assert_eq!(list(left.joined(joined)), ["put", "head", "delete", "get"]);
    }

    #[test]
    fn words_written_over_a_permission_stand_where_they_are_wanted() {
        let permission = |allowed: &[&str], prohibited: &[&str]| Written {
            allowed: words(allowed),
            prohibited: words(prohibited),
        };
        let before = permission(&["set", "get", "on"], &["remove", "put"]);
        let newer = permission(&["put", "on"], &["post", "set"]);
        let after = before.overwritten_by(newer, Front::Older);
        assert_eq!(
            after,
            permission(&["get", "on", "put"], &["remove", "post", "set"])
        );
        let after = before.overwritten_by(newer, Front::Newer);
        assert_eq!(
            after,
            permission(&["put", "on", "get"], &["post", "set", "remove"])
        );
        let both = permission(&["get"], &["get"]);
        for front in [Front::Older, Front::Newer] {
            assert_eq!(
                Written::default().overwritten_by(both, front),
                permission(&[], &["get"])
            );
        }
    }
}
