//! The promises: of each choice, each answer, each moment, and of the end.

use super::*;

impl World {
    /// A call goes where it may, and no session goes back to a lower version while a higher one takes calls.
    pub(super) fn check_choice(
        &mut self,
        id: u64,
        place: Place,
        version: &ComponentVersion,
        number: u64,
    ) -> Result<(), String> {
        let asking = self.asking[&id].clone();
        let to = Tried {
            place: place.clone(),
            version: version.clone(),
        };
        self.ledger.attempt(id, number, to)?;
        let call = &self.ledger.calls[&id];
        self.ledger
            .endings
            .extend(match (call.attempts, call.executions.len()) {
                (1, _) => None,
                (_, 0) => Some("rerouted".into()),
                _ => Some("repeated".into()),
            });
        let is_new = |provider: &&Provider| {
            let of = (&provider.place, provider.component.version());
            call.tried
                .iter()
                .all(|tried| (&tried.place, &tried.version) != of)
        };
        let asked = asking.wanted.asked();
        let fitting: Vec<&Provider> = self
            .catalogues
            .providers(&asking.component)
            .iter()
            .filter(|provider| asked.admits(provider.component.version()))
            .filter(is_new)
            .collect();
        let chosen = fitting
            .iter()
            .find(|provider| provider.place == place && provider.component.version() == version)
            .ok_or_else(|| format!("call {id} goes to {place:?} with {version}, which does not fit"))?;
        let resort = |provider: &Provider| match (provider.standing.verdict, provider.standing.state) {
            (Verdict::Alive, State::Ready) => Some(0),
            (Verdict::Suspect, State::Ready) => Some(1),
            (Verdict::Away, State::Ready) => Some(2),
            _ => None,
        };
        let first = fitting.iter().filter_map(|provider| resort(provider)).min();
        if resort(chosen).is_none() || resort(chosen) != first {
            return Err(format!(
                "call {id} goes to {place:?}, which is {:?}",
                chosen.standing
            ));
        }
        let Some(session) = asking.session else {
            return Ok(());
        };
        let key = match &asking.wanted {
            Wanted::Any => "".to_owned(),
            Wanted::Line(line) => line.to_string(),
            Wanted::Range(range) => range.0.to_string(),
        };
        let key = (session, key);
        if let Some(highest) = self.highest.get(&key)
            && Rank::of(version) < Rank::of(highest)
            && fitting.iter().any(|provider| {
                provider.component.rank() >= Rank::of(highest) && provider.standing == chosen.standing
            })
        {
            return Err(format!("call {id} goes back from {highest} to {version}"));
        }
        let is_higher = |known: &ComponentVersion| Rank::of(version) > Rank::of(known);
        if self.highest.get(&key).is_none_or(is_higher) {
            self.highest.insert(key, version.clone());
        }
        Ok(())
    }

    /// Nobody is told that no node can take a call while one could.
    pub(super) fn check_failure(&self, id: u64, reply: &Reply) -> Result<(), String> {
        let Reply::Failed(CallError::Unavailable { .. } | CallError::Busy { .. }) = reply else {
            return Ok(());
        };
        let (call, asking) = (&self.ledger.calls[&id], &self.asking[&id]);
        let tried = call.tried.iter().chain(call.at.as_ref().map(|(_, tried)| tried));
        let tried: Vec<&Tried> = tried.collect();
        let asked: Asked<'_> = asking.wanted.asked();
        let can = |provider: &&Provider| {
            let is_new = tried
                .iter()
                .all(|tried| tried.place != provider.place || tried.version != *provider.component.version());
            provider.standing == Standing::READY && asked.admits(provider.component.version()) && is_new
        };
        match self.catalogues.providers(&asking.component).iter().find(can) {
            Some(provider) if call.attempts < 3 => Err(format!(
                "call {id} got {reply:?}, although {:?} could serve",
                provider.place
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn check_publication(
        &mut self,
        published: Option<Publication>,
        is_own: bool,
    ) -> Result<(), String> {
        if published.is_none() {
            return Ok(());
        }
        if !is_own && self.now < self.published + COLLECT && self.published > 0 {
            return Err(format!(
                "two publications came within {} ms",
                self.now - self.published
            ));
        }
        self.published = self.now;
        Ok(())
    }

    pub(super) fn shown(&self) -> Vec<String> {
        let entries = self.catalogues.published().iter();
        entries
            .map(|entry| format!("{} {}", entry.listed, entry.component.version()))
            .collect()
    }

    /// The promises that hold at each moment.
    pub(super) fn check(&mut self) -> Result<(), String> {
        let waiting = self.ledger.waiting().count();
        if self.calls.waiting() != waiting {
            return Err(format!("{} calls wait of {waiting}", self.calls.waiting()));
        }
        if let Some((id, _)) = self.ledger.waiting().find(|(_, call)| call.deadline <= self.now) {
            return Err(format!("call {id} waits beyond its deadline"));
        }
        for host in &self.hosts {
            let is_here = |call: &Call| {
                let place = call.at.as_ref().map(|(_, tried)| &tried.place);
                place.and_then(Place::peer) == Some(&host.peer)
            };
            let expected = self.ledger.waiting().filter(|(_, call)| is_here(call)).count();
            let counted = self.calls.in_flight().at(&host.peer) as usize;
            if counted > expected {
                return Err(format!(
                    "{counted} calls are in flight to {:?}, not {expected}",
                    host.peer
                ));
            }
        }
        Ok(())
    }

    pub(super) fn end(mut self) -> Result<Vec<String>, String> {
        if let Some((id, call)) = self.ledger.waiting().next() {
            return Err(format!("call {id} has no answer: {call:?}"));
        }
        if let Some(next) = self.calls.next_deadline() {
            return Err(format!("the calls wait for {}", self.time_of(next)));
        }
        for host in self.hosts.iter().filter(|host| host.is_running) {
            if host.running() > 0 || self.calls.in_flight().at(&host.peer) > 0 {
                return Err(format!("{:?} has {} calls at the end", host.peer, host.running()));
            }
        }
        // Each line that somebody offers is in the description.
        let listed = self.catalogues.published().iter();
        let lines: Vec<Line> = listed
            .map(|entry| Line::of(entry.component.version().exact()))
            .collect();
        for host in self
            .hosts
            .iter()
            .filter(|host| host.is_running && host.standing.verdict == Verdict::Alive)
        {
            for calc in &host.calc {
                let line = Line::of(&semver::Version::new(calc.major, calc.minor, 0));
                if !lines.contains(&line) {
                    return Err(format!("{line} of {:?} is not in the description", host.peer));
                }
            }
        }
        Ok(self.ledger.endings)
    }
}
