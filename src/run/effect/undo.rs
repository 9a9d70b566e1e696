//! Taking back: what was made is removed by its own id, what was changed is put back, what was found is left.

use super::super::body::{Body, Stop};
use super::super::event::EventKind;
use super::super::journal::{Entry, lacks_secret};
use super::super::pursue::{Effect, Seen};
use super::super::remove;
use super::super::trouble::{Kind, Trouble};
use super::{SiteEffect, What, operation};
use edge_lang::library::Undo;
use edge_lang::library::render::{self};
use edge_lang::model::Observation;
use edge_lang::mutant::{Mutant, is_on};
use tokio::time::Instant;

impl SiteEffect {
    pub(super) async fn undo(&mut self) -> Seen {
        let id = self.row.as_ref().and_then(|r| r.id.clone()).unwrap_or_default();
        let entry = Entry::Undo { of: self.of.clone(), site: self.atom, id };
        if is_on(Mutant::UnsyncedUndo) {
            self.run.journal.note(entry);
        } else if let Err(why) = self.run.journal.record(entry).await {
            return self.unanswered(Trouble::refused(format!("the journal: {why}")));
        }
        self.left_all = !self.made && !self.changed && !self.making;
        match self.try_undo().await {
            Ok(what) => {
                self.row = self.subject.clone();
                self.made = false;
                // Why it was refused or broken is worth more than that it is gone.
                if !self.refused {
                    self.word = what.clone();
                }
                self.drop_ticket();
                self.emit(EventKind::Undone { site: self.atom, what });
                self.release().await;
                Seen::Observed(Observation::Undone)
            }
            Err(Stop::Refused(t) | Stop::Broken(t)) => {
                self.word = format!("cannot be undone: {}", t.message);
                self.emit(EventKind::UndoRefused { site: self.atom, why: t.message });
                Seen::Observed(Observation::UndoRefused)
            }
            Err(Stop::NotReached(t) | Stop::Silent(t)) => {
                self.emit(EventKind::Silent { site: self.atom, why: t.message });
                Seen::Observed(Observation::UndoSilent)
            }
        }
    }

    pub(super) async fn try_undo(&mut self) -> Result<String, Stop> {
        let name = self.name().map(|n| format!(" `{n}`")).unwrap_or_default();
        if !self.made && !self.changed {
            return Ok(format!("{}{name} left as it was found", self.resource));
        }
        let instance = self.open().await.map_err(Stop::Silent)?;
        let resource = instance.resource(&self.resource).map_err(Stop::Refused)?;
        let name = self.called(resource).map(|n| format!(" `{n}`")).unwrap_or_default();
        if self.made {
            let Some(mut row) = self.row.clone() else { return Ok("nothing to remove".into()) };
            if is_on(Mutant::UndoesByName)
                && let Some(name) = self.name()
                && let Ok(named) = instance.named(resource, &name).await
            {
                row = named.into_iter().last().unwrap_or(row);
            }
            let gone =
                remove::delete(&self.run, &self.step.key, self.atom, &instance, resource, &row, self.times.ready).await;
            gone.map_err(|t| if t.kind == Kind::Refused { Stop::Refused(t) } else { Stop::Silent(t) })?;
            return Ok(format!("{}{name} removed again", resource.name));
        }
        let op = operation(resource, &self.operation).map_err(Stop::Refused)?;
        match self.arguments(op).await {
            Err(trouble) if trouble.kind != Kind::Refused => return Err(Stop::Silent(trouble)),
            // A name that is gone since: what is put back seldom needs it.
            _ => {}
        }
        let known = self.known(&instance, resource, op).map_err(Stop::Refused)?;
        let restore = matches!(self.what, What::Ensure) || matches!(op.undo, Undo::Restore);
        match &op.undo {
            _ if restore => {
                let (Some(before), Some(row)) = (self.before.clone(), self.row.clone()) else {
                    return Ok("nothing to put back".into());
                };
                let changes = render::restoration(resource, &before, &row.fields);
                let parts = changes.parts.iter().flat_map(|p| p.item.iter().chain(&p.value));
                if changes.set.values().chain(changes.create.values()).chain(parts).any(lacks_secret) {
                    return Err(Stop::Refused(not_kept()));
                }
                self.apply(&instance, resource, changes).await?;
                Ok(format!("{}{name} put back as it was", resource.name))
            }
            Undo::Block(_) if self.before.as_ref().is_some_and(|b| b.values().any(lacks_secret)) => {
                Err(Stop::Refused(not_kept()))
            }
            Undo::Op(name) => {
                let back = operation(resource, name).map_err(Stop::Refused)?;
                self.carry_out(&instance, resource, back, known, false).await?;
                Ok(format!("{} taken back by `{name}`", self.operation))
            }
            Undo::Block(instructions) => {
                let run = self.run.clone();
                let step = self.step.clone();
                let mut body = Body {
                    busy: Instant::now() + self.times.busy,
                    ..Body::new(&run, &step.key, self.atom, &instance, resource, known, self.times.ready)
                };
                let went = body.go(instructions).await;
                let repeated = body.repeated;
                drop(body);
                self.repeated |= repeated;
                went?;
                Ok(format!("{} taken back", self.operation))
            }
            Undo::None(why) => Ok(format!("{} stays: {why}", self.operation)),
            Undo::Final => Err(Stop::Refused(Trouble::refused("it cannot be undone"))),
            Undo::Delete | Undo::Restore => Ok("nothing to take back".into()),
        }
    }
}

/// Only a run that goes on in one process knows it.
fn not_kept() -> Trouble {
    Trouble::refused("what was there before holds a secret, which the journal does not keep: put it back by hand")
}
