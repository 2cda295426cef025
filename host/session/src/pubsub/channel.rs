//! The text that a client subscribes with: `/<ACTION>@<pattern>` (docs/protocol.md 6.3).

use mesh_wire::protocol::EventAction;

/// Which events a channel is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelAction {
    /// Only sets.
    Set,
    /// Only removals.
    Remove,
    /// Both.
    All,
    /// A word that no event carries: the subscription is kept and never matches.
    Unknown,
}

impl ChannelAction {
    /// Whether an event with this action belongs to the channel.
    pub fn admits(self, action: EventAction) -> bool {
        match self {
            ChannelAction::All => true,
            ChannelAction::Set => action == EventAction::Set,
            ChannelAction::Remove => action == EventAction::Remove,
            ChannelAction::Unknown => false,
        }
    }
}

/// A channel taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel<'a> {
    /// The text in front of the first `@`.
    pub action: ChannelAction,
    /// The text behind it. It may contain more of them.
    pub pattern: &'a str,
}

impl<'a> Channel<'a> {
    /// Takes a channel apart; `None` when there is no `/ACTION@` in front.
    pub fn parse(text: &'a str) -> Option<Channel<'a>> {
        let (action, pattern) = text.strip_prefix('/')?.split_once('@')?;
        let action = match action {
            "SET" => ChannelAction::Set,
            "REMOVE" => ChannelAction::Remove,
            "ALL" => ChannelAction::All,
            word if word.contains('/') => return None,
            _ => ChannelAction::Unknown,
        };
        Some(Channel { action, pattern })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_parsed() {
        let parse = |text| Channel::parse(text).map(|channel| (channel.action, channel.pattern));
        assert_eq!(parse("/SET@/a/*"), Some((ChannelAction::Set, "/a/*")));
        assert_eq!(parse("/ALL@*"), Some((ChannelAction::All, "*")));
        assert_eq!(parse("/REMOVE@/a@b"), Some((ChannelAction::Remove, "/a@b")));
        assert_eq!(parse("/set@/a"), Some((ChannelAction::Unknown, "/a")));
        for text in ["*", "/f/1", "", "SET@/a", "/a/b@c"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
