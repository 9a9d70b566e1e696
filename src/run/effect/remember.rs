//! Between an effect and what the journal keeps of it.

use super::super::copies;
use super::super::journal::{Entry, Known, Memory, hidden, hide};
use super::super::pursue::{Deed, Effect, Seen};
use super::super::remove;
use super::super::trouble::Trouble;
use super::{SiteEffect, What, copy_fields};
use edge_lang::library::Resource;
use edge_lang::model::{Belief, Observation, State};

impl SiteEffect {
    pub(super) fn kept(&self) -> Memory {
        let described = self.described();
        let ingredient = described.and_then(|r| r.fence.as_ref()).and_then(|f| self.sibling(&f.resource));
        let result = described.and_then(|r| r.operation(&self.operation)).map(|o| o.result.clone());
        Memory {
            attempt: self.attempt,
            spent: self.spent,
            ticket: self.ticket.as_ref().map(|t| Known::of(t, ingredient)),
            ticket_lost: self.ticket_lost,
            making: self.making,
            made: self.made,
            changed: self.changed,
            seen: self.seen,
            before: self.before.as_ref().map(|b| if self.open { b.clone() } else { hide(b, described) }),
            open: self.open,
            row: self.row.as_ref().map(|r| Known::of(r, described)),
            service: self.service.to_string(),
            resource: self.resource.to_string(),
            answer: self.answer.as_ref().zip(result.as_ref()).map(|(a, ty)| hidden(a, ty)),
            word: self.word.clone(),
            refused: self.refused,
        }
    }

    /// Another resource of the site's kind.
    fn sibling(&self, name: &str) -> Option<&Resource> {
        self.run.library.resource(&self.run.inventory.get(self.at)?.stack, name)
    }

    /// What is about to be sent, as it has to be believed if no answer is ever heard.
    pub(super) fn kept_before(&self, creates: bool, tickets: bool) -> Memory {
        let mut memory = self.kept();
        memory.changed |= !creates;
        memory.ticket_lost |= tickets;
        memory
    }

    pub(super) fn recall(&mut self, memory: &Memory) {
        let Memory { attempt, spent, ticket, ticket_lost, making, made, changed, before, row, .. } = memory.clone();
        self.attempt = attempt.max(1);
        (self.seen, self.open) = (memory.seen, memory.open);
        (self.spent, self.ticket_lost, self.making) = (spent, ticket_lost, making);
        (self.made, self.changed, self.before) = (made, changed, before);
        self.ticket = ticket.map(|t| t.row());
        if !memory.resource.is_empty() {
            self.service = memory.service.as_str().into();
            self.resource = memory.resource.as_str().into();
        }
        if let Some(row) = row {
            self.row = Some(row.row());
        }
        (self.answer, self.word, self.refused) = (memory.answer.clone(), memory.word.clone(), memory.refused);
        self.forgot_copies = copy_fields(&self.what).is_none();
        if let (true, Some(id)) = (self.made, self.row.as_ref().and_then(|r| r.id.clone())) {
            self.run.note_made(self.at, &id);
        }
    }

    /// What an earlier runner copied for it, or had begun to.
    pub(super) async fn recall_copies(&mut self) -> Result<(), Trouble> {
        if !std::mem::take(&mut self.forgot_copies) || matches!(self.what, What::Bridge(_)) {
            return Ok(());
        }
        let recalled = copies::recall(&self.run, &self.step, self.at, self.times).await;
        if recalled.is_err() {
            self.forgot_copies = true;
        }
        self.copies.extend(recalled?);
        Ok(())
    }

    async fn outlast(&mut self) -> Result<(), Trouble> {
        let Some(row) = self.row.clone().filter(|_| self.changed()) else { return Ok(()) };
        let instance = self.open().await?;
        let resource = instance.resource(&self.resource)?;
        remove::outlast(&self.run, self.at, &instance, resource, &row, self.times.quiet).await
    }

    /// An undo that no pursuit asks for. Journaled as one of a pursuit is.
    pub async fn undo_alone(&mut self) -> Seen {
        if let Err(trouble) = self.outlast().await {
            return self.unanswered(trouble);
        }
        let seen = self.act(Deed::Undo).await;
        let (observation, state) = match seen {
            Seen::Observed(Observation::Undone) => (Observation::Undone, State::New),
            Seen::Observed(Observation::UndoRefused) => (Observation::UndoRefused, State::Stuck),
            _ => (Observation::UndoSilent, State::Lost),
        };
        let belief = Belief { state, ..Belief::default() };
        if state == State::New {
            self.closed();
        }
        let memory = Box::new(self.kept());
        self.run.journal.note(Entry::Seen { of: self.of.clone(), site: self.atom, observation, belief, memory });
        seen
    }
}
