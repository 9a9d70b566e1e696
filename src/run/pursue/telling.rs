//! What becomes of a pursuit, told once: to the journal, then to the step that waits for it. What is owed is told to the run.

use super::super::event::EventKind;
use super::super::journal::{Entry, Part};
use super::super::{Due, Owed};
use super::chase::{Chase, Working};
use super::{Effect, Ended, Told};
use edge_lang::model::{Action, SiteId, SiteSet, State};
use edge_lang::mutant::{Mutant, is_on};

impl<E: Effect, M: Fn(SiteId) -> E + Send + 'static> Chase<E, M> {
    /// What an earlier runner saw and told, without a word in the journal.
    pub fn tell_again(&mut self) {
        if let (Part::Layer(_), true) = (&self.id.part, self.tell.is_some()) {
            let there = self.there();
            for (site, effect) in self.effects.iter().filter(|(site, _)| there.contains(**site)) {
                let (site, what) = (*site, effect.memory().word);
                self.run.events.emit(Some(&self.id.key), EventKind::There { site, what });
            }
        }
        if let Some(outcome) = self.pursuit.outcome() {
            self.tell_done(outcome);
        } else if self.pursuit.is_told() {
            self.tell_all(Ended::Failed);
        }
    }

    /// Journals, then tells. Says whether there is more to decide.
    pub async fn conclude(&mut self, action: &Action) -> Result<bool, String> {
        let of = self.id.clone();
        match action {
            Action::Done(outcome) => {
                let verdict = Entry::Verdict { of, outcome: Some(outcome.clone()) };
                match is_on(Mutant::UnsyncedVerdict) {
                    true => self.run.journal.note(verdict),
                    false => self.run.journal.record(verdict).await?,
                }
                self.pursuit.issued(action).map_err(|e| e.to_string())?;
                self.tell_done(outcome.clone());
            }
            Action::Failed => {
                self.run.journal.record(Entry::Verdict { of, outcome: None }).await?;
                self.pursuit.issued(action).map_err(|e| e.to_string())?;
                self.release().await;
                self.tell_all(Ended::Failed);
            }
            _ => {
                self.run.journal.note(Entry::Failing { of });
                self.pursuit.issued(action).map_err(|e| e.to_string())?;
                self.doomed = self.deferred || self.holding;
                return Ok(!self.doomed);
            }
        }
        Ok(true)
    }

    fn tell_done(&mut self, outcome: SiteSet) {
        let of_outcome = |site: &SiteId| outcome.contains(*site);
        let loose = |site: &SiteId| self.pursuit.belief(*site).is_some_and(|b| b.loose);
        self.effects.iter().filter(|(s, _)| of_outcome(s) && loose(s)).for_each(|(_, effect)| effect.note_unclosed());
        let sites: Vec<SiteId> = self.effects.keys().copied().filter(of_outcome).collect();
        let effects = sites.into_iter().filter_map(|s| Some((s, self.effects.remove(&s)?))).collect();
        let owed = self.owed();
        let unknown = self.unknown(&outcome);
        if !owed.is_empty() {
            self.run.events.emit(Some(&self.id.key), EventKind::Tidying { sites: owed });
        }
        self.owe();
        if self.deferred {
            self.run.note_paid();
            self.run.events.emit(Some(&self.id.key), EventKind::Done { outcome: outcome.clone() });
        }
        // Tidying, of what was copied for other sites too, is waited for by nobody.
        self.tell(Told { ended: Ended::Done(outcome), effects, unknown, left: None });
    }

    fn tell_all(&mut self, ended: Ended) {
        let effects = std::mem::take(&mut self.effects);
        let left = matches!(self.id.part, Part::Copy { .. }).then(|| {
            let mut pursuit = self.pursuit.clone();
            pursuit.crash();
            (pursuit, self.touched.clone())
        });
        self.tell(Told { ended, effects, unknown: SiteSet::new(), left });
    }

    fn tell(&mut self, told: Told<E>) {
        if let Some(tell) = self.tell.take() {
            // Nobody listens any more only when the process is going down.
            let _ = tell.send(told);
        }
    }

    /// Goes on without the program: what is there is told, and what is aimed at.
    pub fn defer(&mut self) {
        self.deferred = true;
        let aim = self.aim();
        let there = |(site, effect): (&SiteId, &E)| {
            let state = self.pursuit.belief(*site).map(|b| b.state);
            (aim.contains(*site) && state == Some(State::There)).then(|| (*site, effect.clone()))
        };
        let effects = self.effects.iter().filter_map(there).collect();
        let unknown = self.unknown(&aim);
        self.owe();
        let sites = aim.difference(&self.there());
        self.run.events.emit(Some(&self.id.key), EventKind::Deferred { sites });
        self.tell(Told { ended: Ended::Deferred(aim), effects, unknown, left: None });
    }

    fn aim(&self) -> SiteSet {
        self.pursuit.wanted().unwrap_or_default()
    }

    fn there(&self) -> SiteSet {
        let there = |site: &SiteId| self.pursuit.belief(*site).is_some_and(|b| b.state == State::There && !b.out);
        self.pursuit.placement().sites().iter().filter(there).collect()
    }

    /// From now on this is all that is owed of it.
    pub fn owe(&self) {
        let mut sites = self.owed();
        let due = match (self.pursuit.is_told(), self.deferred) {
            (true, _) => Due::Tidying,
            (false, false) => Due::Unsettled,
            (false, true) => {
                // Also where nothing was sent yet.
                sites.add(&self.aim());
                sites.subtract(&self.there());
                Due::Deferred
            }
        };
        self.owe_at(sites, due);
    }

    fn owe_at(&self, sites: SiteSet, due: Due) {
        let at = sites.iter().map(|site| self.effects.get(&site).map_or(site, Effect::at)).collect();
        let owed = Owed { key: self.id.key.clone(), title: self.title.clone(), sites, at, due };
        self.run.owe(self.debtor, owed);
    }

    /// Gives back what was made on behalf of effects that are not there.
    pub async fn release(&mut self) {
        for effect in self.effects.values_mut() {
            effect.release().await;
        }
    }

    fn unknown(&self, outcome: &SiteSet) -> SiteSet {
        let doubtful = |site: &SiteId| {
            let state = self.pursuit.belief(*site).map(|b| b.state);
            use State::*;
            matches!(state, Some(Open | Soft | Shut | Sent | Lost | Again))
        };
        self.pursuit.placement().sites().difference(outcome).iter().filter(doubtful).collect()
    }

    pub async fn stop_owing(mut self, working: Working<E>) {
        let owed = self.owed();
        let closed = self.effects.iter_mut().filter(|(site, _)| !owed.contains(**site));
        for (_, effect) in closed {
            effect.release().await;
        }
        if self.tell.is_none() {
            return;
        }
        // It is not told: the operation itself is what is owed.
        self.pursuit.crash();
        self.stop(Ended::Unsettled(owed), working).await
    }

    /// Nothing is in flight any more, and nothing more is sent.
    pub async fn stop_interrupted(mut self) {
        self.pursuit.crash();
        let mut owed = self.owed();
        owed.extend(self.effects.iter().filter(|(_, e)| e.holds()).map(|(s, _)| *s));
        self.stop(Ended::Interrupted(owed), Working::new()).await
    }

    pub async fn stop(mut self, ended: Ended, working: Working<E>) {
        drop(working);
        match &ended {
            Ended::Unsettled(owed) | Ended::Interrupted(owed) if !self.deferred && !self.pursuit.is_told() => {
                self.owe_at(owed.clone(), Due::Unsettled);
            }
            _ => self.owe(),
        }
        self.tell_all(ended);
    }
}
