//! Two ends in memory with a bad line between them.
//!
//! Enters: messages at either end, a seed, and how bad the line is. Leaves: the messages at the other end. Guarantees: what
//! happens to each message follows from the seed. Without faults all messages arrive once, in order, with the next tick.

use mesh_choices::Choices;

/// How bad a line is. Shares are of a hundred messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// So many are lost.
    pub lost: u32,
    /// So many arrive twice.
    pub doubled: u32,
    /// So many ticks a message may be late, so that others overtake it.
    pub latest: usize,
}

/// One of two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// One.
    Left,
    /// The other.
    Right,
}

/// A message on its way.
#[derive(Clone, Debug)]
struct Travelling<M> {
    to: End,
    /// The tick with which it arrives.
    due: u64,
    message: M,
}

/// A line between two ends.
#[derive(Clone, Debug)]
pub struct Link<M> {
    choices: Choices,
    faults: Faults,
    now: u64,
    is_cut: bool,
    /// In the order in which they were sent.
    travelling: Vec<Travelling<M>>,
}

impl<M: Clone> Link<M> {
    /// A line on which nothing is yet.
    pub fn new(seed: u64, faults: Faults) -> Link<M> {
        Link {
            choices: Choices::new(seed),
            faults,
            now: 0,
            is_cut: false,
            travelling: Vec::new(),
        }
    }

    /// Sends a message from one end to the other.
    pub fn send(&mut self, from: End, message: M) {
        let is_lost = self.choices.percent(self.faults.lost);
        if self.is_cut || is_lost {
            return;
        }
        let to = match from {
            End::Left => End::Right,
            End::Right => End::Left,
        };
        let copies = 1 + usize::from(self.choices.percent(self.faults.doubled));
        for _ in 0..copies {
            let late = self.choices.below(self.faults.latest + 1) as u64;
            self.travelling.push(Travelling {
                to,
                due: self.now + 1 + late,
                message: message.clone(),
            });
        }
    }

    /// Lets time pass.
    pub fn tick(&mut self) {
        self.now += 1;
    }

    /// Takes what has arrived at an end.
    pub fn receive(&mut self, at: End) -> Vec<M> {
        let now = self.now;
        let arrived = self
            .travelling
            .extract_if(.., |one| one.to == at && one.due <= now);
        let mut arrived: Vec<Travelling<M>> = arrived.collect();
        arrived.sort_by_key(|one| one.due);
        arrived.into_iter().map(|one| one.message).collect()
    }

    /// Cuts the line: what is on its way is lost, and so is what is sent from now on.
    pub fn cut(&mut self) {
        self.is_cut = true;
        self.travelling.clear();
    }

    /// Joins the line again.
    pub fn mend(&mut self) {
        self.is_cut = false;
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.travelling.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that arrive of a hundred, one sent in each tick.
    fn arrivals(seed: u64, faults: Faults) -> Vec<usize> {
        let mut link = Link::new(seed, faults);
        let mut arrived = Vec::new();
        for number in 0..100 {
            link.send(End::Left, number);
            link.tick();
            arrived.extend(link.receive(End::Right));
        }
        for _ in 0..=faults.latest {
            link.tick();
            arrived.extend(link.receive(End::Right));
        }
        assert!(link.is_empty());
        arrived
    }

    #[test]
    fn a_good_line_keeps_all_messages_and_their_order() {
        assert_eq!(arrivals(1, Faults::default()), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_message_arrives_with_the_next_tick_at_the_other_end_alone() {
        let mut link = Link::new(1, Faults::default());
        link.send(End::Left, "to the right");
        link.send(End::Right, "to the left");
        assert!(link.receive(End::Right).is_empty());
        link.tick();
        assert_eq!(link.receive(End::Right), ["to the right"]);
        assert_eq!(link.receive(End::Left), ["to the left"]);
        assert!(link.is_empty());
    }

    #[test]
    fn the_same_seed_loses_the_same_messages() {
        let faults = Faults {
            lost: 30,
            ..Faults::default()
        };
        let arrived = arrivals(5, faults);
        assert!((50..90).contains(&arrived.len()), "{}", arrived.len());
        assert!(arrived.is_sorted());
        assert_eq!(arrived, arrivals(5, faults));
        assert_ne!(arrived, arrivals(6, faults));
    }

    #[test]
    fn a_line_doubles_messages_and_loses_none() {
        let faults = Faults {
            doubled: 50,
            ..Faults::default()
        };
        let mut arrived = arrivals(2, faults);
        assert!(arrived.len() > 120, "{}", arrived.len());
        arrived.dedup();
        assert_eq!(arrived, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn messages_that_are_late_are_overtaken() {
        let faults = Faults {
            latest: 4,
            ..Faults::default()
        };
        let mut arrived = arrivals(3, faults);
        assert!(!arrived.is_sorted());
        arrived.sort_unstable();
        assert_eq!(arrived, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_cut_loses_what_is_on_its_way_until_the_line_is_mended() {
        let mut link = Link::new(1, Faults::default());
        link.send(End::Left, 1);
        link.cut();
        link.send(End::Left, 2);
        link.mend();
        link.send(End::Left, 3);
        link.tick();
        assert_eq!(link.receive(End::Right), [3]);
    }
}
