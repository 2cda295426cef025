//! Time that passes: frames arrive, verdicts fall, jobs and calls end.

use super::*;

impl World {
    /// Lets time pass, event by event.
    pub(super) fn pass(&mut self, milliseconds: u64) -> Result<(), String> {
        let end = self.now + milliseconds;
        loop {
            let calls = self.calls.next_deadline().map(|at| self.time_of(at));
            let catalogues = self.catalogues.next_deadline().map(|at| self.time_of(at));
            let hosts = self.hosts.iter().filter_map(Host::next);
            let local = self.local.iter().map(|local| local.ends);
            let next = hosts.chain(local).chain(calls).chain(catalogues).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            self.happen()?;
        }
        self.now = end;
        self.happen()
    }

    pub(super) fn time_of(&self, at: Moment) -> u64 {
        at.since(self.base).as_millis() as u64
    }

    pub(super) fn happen(&mut self) -> Result<(), String> {
        let now = self.now;
        for index in 0..self.hosts.len() {
            self.hosts[index].work(now, &mut self.choices, &mut self.ledger)?;
            while let Some(verdict) = due(&mut self.hosts[index].verdicts, now) {
                self.judge(index, verdict)?;
            }
            while let Some(back) = due(&mut self.hosts[index].from, now) {
                self.hear(index, back)?;
            }
            let host = &mut self.hosts[index];
            let says_goodbye = host.from.iter().any(|(_, back)| matches!(back, Back::Goodbye));
            if host.is_draining && host.is_running && !host.is_hung && host.is_idle() && !says_goodbye {
                host.send(now + 30, Back::Goodbye);
            }
        }
        self.hosts.retain(|host| {
            let is_over = host.standing.verdict.is_gone();
            host.is_running || !is_over || !host.from.is_empty()
        });
        let (over, running): (Vec<Local>, Vec<Local>) = std::mem::take(&mut self.local)
            .into_iter()
            .partition(|local| local.ends <= now);
        self.local = running;
        for local in over {
            let payload = format!("[{}]", local.id).into();
            self.answer(
                Place::Here,
                local.number,
                Outcome::Answered { status: 0, payload },
            )?;
        }
        self.with_calls(|calls, now, _| calls.tick(now))?;
        let instant = self.at(now);
        let published = self.catalogues.tick(instant);
        self.check_publication(published, false)?;
        self.check()
    }

    pub(super) fn judge(&mut self, index: usize, verdict: Verdict) -> Result<(), String> {
        if self.hosts[index].standing.verdict == Verdict::Left {
            return Ok(());
        }
        let peer = self.hosts[index].peer.clone();
        // A new incarnation is seen: the former is lost at once.
        let is_former = |host: &Host| host.peer.node == peer.node && host.peer != peer;
        if let Some(former) = self.hosts.iter().position(is_former)
            && former < index
            && !matches!(self.hosts[former].standing.verdict, Verdict::Lost | Verdict::Left)
        {
            self.hosts[former].verdicts.clear();
            self.hosts[former].standing.verdict = Verdict::Lost;
            self.lose(former)?;
        }
        self.hosts[index].standing.verdict = verdict;
        let standing = self.hosts[index].standing;
        let now = self.at(self.now);
        self.catalogues
            .stand(now, &peer, standing)
            .map_err(|error| error.to_string())?;
        if verdict == Verdict::Lost {
            return self.lose(index);
        }
        if verdict == Verdict::Away {
            let untaken = self.hosts[index].untaken.clone();
            for number in untaken {
                self.with_calls(|calls, _, routing| calls.returned(&peer, number, routing))?;
            }
        }
        // A beat names the catalogue. One that was missed is asked for.
        let host = &mut self.hosts[index];
        if let Some(catalogue) = host.catalogue.as_ref().filter(|_| host.is_running)
            && self
                .catalogues
                .lacks(&peer, catalogue.revision(), catalogue.hash())
        {
            let body = catalogue.body();
            host.send(self.now + 20, Back::Catalogue(body));
        }
        Ok(())
    }

    /// A peer is lost or has left: its link says what became of frames that it has not taken.
    pub(super) fn lose(&mut self, index: usize) -> Result<(), String> {
        let peer = self.hosts[index].peer.clone();
        self.ledger.lost.insert(peer.node.clone());
        let told = self.hosts[index].void(self.now, &mut self.choices);
        let is_first = self.choices.one_in(2);
        if is_first {
            self.with_calls(|calls, now, routing| calls.lost(now, &peer, routing))?;
        }
        for (number, is_unknown) in told {
            self.with_calls(|calls, now, routing| match is_unknown {
                true => calls.unknown(now, &peer, number, routing),
                false => calls.never_taken(now, &peer, number, routing),
            })?;
        }
        self.with_calls(|calls, now, routing| calls.lost(now, &peer, routing))
    }

    pub(super) fn hear(&mut self, index: usize, back: Back) -> Result<(), String> {
        let now = self.at(self.now);
        let peer = self.hosts[index].peer.clone();
        match back {
            Back::Taken(number) => {
                self.hosts[index].untaken.retain(|other| *other != number);
                self.calls.taken(&peer, number);
                Ok(())
            }
            Back::Answer(answer) => self.answer(Place::Node(peer), answer.number, answer.outcome),
            Back::Catalogue(body) => {
                let received = self.catalogues.receive(now, &peer, &body);
                received.map(|_| ()).map_err(|error| error.to_string())
            }
            Back::State(state) => {
                let host = &mut self.hosts[index];
                host.standing.state = state;
                let standing = host.standing;
                if standing.verdict.is_gone() {
                    return Ok(());
                }
                let stood = self.catalogues.stand(now, &peer, standing);
                stood.map_err(|error| error.to_string())
            }
            Back::Goodbye => {
                let host = &mut self.hosts[index];
                host.is_running = false;
                host.verdicts.clear();
                let was_lost = host.standing.verdict == Verdict::Lost;
                host.standing = Standing {
                    verdict: Verdict::Left,
                    state: State::Draining,
                };
                let standing = host.standing;
                if was_lost {
                    return Ok(());
                }
                self.catalogues
                    .stand(now, &peer, standing)
                    .map_err(|error| error.to_string())?;
                self.lose(index)
            }
        }
    }

    pub(super) fn answer(&mut self, place: Place, number: u64, outcome: Outcome) -> Result<(), String> {
        self.ledger.arrived(&place, number);
        let answer = AnswerFrame { number, outcome };
        self.with_calls(|calls, now, routing| calls.answered(now, &place, answer, routing))?;
        match self.calls.counts().late == self.ledger.late {
            true => Ok(()),
            false => Err(format!(
                "attempt {number} of {place:?} is counted as late, or is not"
            )),
        }
    }
}
