//! The deeds of nodes: they start, die, hang, leave, and replace their versions.

use super::*;

/// The host at an index, where it runs and does not hang.
fn working(hosts: &mut [Host], index: usize) -> Option<&mut Host> {
    hosts
        .get_mut(index)
        .filter(|host| host.is_running && !host.is_hung)
}

impl World {
    /// Starts a node, or starts it anew, with what it had.
    pub(super) fn start(&mut self, number: usize) {
        let node = NodeName::new(&format!("shop-{number}")).expect("it is a name");
        let former = self.hosts.iter().rev().find(|host| host.peer.node == node);
        if former.is_some_and(|host| host.is_running) {
            return;
        }
        let calc = former.map(|host| host.calc.clone());
        let calc = calc.unwrap_or_else(|| {
            let calc = |minor| Calc {
                major: 1,
                minor,
                is_settled: true,
            };
            vec![calc(number as u64 % 2)]
        });
        self.incarnations += 1;
        let peer = Peer {
            node,
            incarnation: Incarnation::new(self.incarnations, NonZeroU64::MIN),
        };
        let mut host = Host::new(peer, self.affinity);
        let heard = self.now + self.choices.below(50) as u64;
        host.verdicts.push_back((heard, Verdict::Alive));
        if self.choices.one_in(2) {
            host.offer(heard, Vec::new());
        }
        host.offer(heard + self.choices.below(100) as u64, calc);
        host.send(heard + 50, Back::State(State::Ready));
        self.hosts.push(host);
    }

    pub(super) fn kill(&mut self, index: usize) -> Result<(), String> {
        let Some(host) = self.hosts.get_mut(index).filter(|host| host.is_running) else {
            return Ok(());
        };
        host.is_running = false;
        host.resumes = None;
        host.verdicts.clear();
        let away = self.now + self.choices.below(200) as u64;
        host.verdicts.push_back((away, Verdict::Away));
        host.verdicts
            .push_back((away + self.choices.below(400) as u64, Verdict::Lost));
        Ok(())
    }

    pub(super) fn hang(&mut self, index: usize) {
        let Some(host) = self.hosts.get_mut(index) else {
            return;
        };
        if !host.is_running || host.is_hung || host.is_draining {
            return;
        }
        host.is_hung = true;
        host.verdicts.clear();
        host.verdicts.push_back((self.now + 150, Verdict::Suspect));
        host.verdicts.push_back((self.now + 700, Verdict::Lost));
        host.resumes = Some(self.now + self.choices.below(1_500) as u64);
    }

    pub(super) fn leave(&mut self, index: usize) {
        let Some(host) = working(&mut self.hosts, index) else {
            return;
        };
        if !host.is_draining {
            host.is_draining = true;
            host.send(
                self.now + self.choices.below(20) as u64,
                Back::State(State::Draining),
            );
        }
    }

    /// The node replaces its version by a higher one, or now and then by a lower one.
    pub(super) fn swap(&mut self, index: usize) {
        let Some(host) = working(&mut self.hosts, index) else {
            return;
        };
        let mut calc = host.calc.clone();
        for version in &mut calc {
            match self.choices.below(6) {
                0 => version.minor = version.minor.saturating_sub(1),
                1 => {
                    *version = Calc {
                        major: version.major + 1,
                        ..*version
                    }
                }
                _ => version.minor += 1,
            }
            version.is_settled = false;
        }
        host.offer(self.now + self.choices.below(20) as u64, calc);
    }

    pub(super) fn settle(&mut self, index: usize) {
        let Some(host) = working(&mut self.hosts, index) else {
            return;
        };
        let mut calc = host.calc.clone();
        calc.iter_mut().for_each(|version| version.is_settled = true);
        host.offer(self.now + self.choices.below(20) as u64, calc);
    }

    pub(super) fn swap_own(&mut self) -> Result<(), String> {
        let minor = self.choices.below(4) as u64;
        self.own = match self.choices.one_in(3) {
            true => Vec::new(),
            false => vec![Calc {
                major: 1,
                minor,
                is_settled: true,
            }],
        };
        let own = self.own.iter().map(|calc| calc.made(self.affinity)).collect();
        let now = self.at(self.now);
        let published = self.catalogues.set_own(now, own);
        self.check_publication(published, true)
    }
}
