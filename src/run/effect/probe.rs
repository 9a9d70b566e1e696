//! Looking: what carries our key, and whether it got ready. Of several one is kept and the others are removed.

use super::super::body::Stop;
use super::super::event::EventKind;
use super::super::instance::Instance;
use super::super::pursue::Seen;
use super::super::remove;
use super::super::trouble::Trouble;
use super::{SiteEffect, What, operation};
use edge_lang::library::render::{self, Fields, Row, Scope as Known};
use edge_lang::library::{Op, Resource};
use edge_lang::model::Observation;
use edge_lang::mutant::{Mutant, is_on};
use std::sync::Arc;

impl SiteEffect {
    pub(super) async fn probe(&mut self) -> Seen {
        let probed = self.look().await;
        match probed {
            Ok(None) => {
                // What is there and differs is no news: it is about to be changed.
                if !matches!(self.what, What::Ensure) || self.row.is_none() {
                    self.emit(EventKind::NotFound { site: self.atom });
                }
                Seen::Observed(Observation::Absent)
            }
            Ok(Some(Ok(()))) => {
                self.emit(EventKind::Found { site: self.atom });
                self.there().await;
                Seen::Observed(Observation::Found)
            }
            Ok(Some(Err(Stop::Broken(trouble)))) => {
                self.word = trouble.message.clone();
                self.help = trouble.help;
                self.refused = true;
                self.drop_ticket();
                self.emit(EventKind::Broken { site: self.atom, why: trouble.message });
                Seen::Observed(Observation::Broken)
            }
            Ok(Some(Err(Stop::NotReached(t) | Stop::Silent(t) | Stop::Refused(t)))) | Err(t) => self.unanswered(t),
        }
    }

    /// Whether something is there, to be removed: it need not be good.
    pub(super) async fn find(&mut self) -> Seen {
        let found = async {
            let instance = self.open().await?;
            let resource = instance.resource(&self.resource)?;
            let op = operation(resource, &self.operation)?;
            let own = self.subject.is_none() && self.step.document.is_none();
            if !own || matches!(self.what, What::Ensure) && !self.making {
                return Ok(self.look().await?.is_some());
            }
            self.arguments(op).await?;
            let known = self.known(&instance, resource, op)?;
            let found = self.find_ours(&instance, resource, &known).await?;
            let there = found.is_some();
            if there {
                self.row = found;
                self.made = true;
            }
            Ok::<_, Trouble>(there)
        };
        match found.await {
            Ok(true) => {
                self.emit(EventKind::Found { site: self.atom });
                Seen::Observed(Observation::Found)
            }
            Ok(false) => {
                self.emit(EventKind::NotFound { site: self.atom });
                Seen::Observed(Observation::Absent)
            }
            Err(trouble) => self.unanswered(trouble),
        }
    }

    /// `None`: nothing there. Else whether it got ready.
    pub(super) async fn look(&mut self) -> Result<Option<Result<(), Stop>>, Trouble> {
        let instance = self.open().await?;
        let resource = instance.resource(&self.resource)?;
        let op = operation(resource, &self.operation)?;
        self.arguments(op).await?;
        if self.step.document.is_some() {
            return self.look_for_document(&instance, resource, op).await;
        }
        if matches!(self.what, What::Ensure) && !self.making {
            return self.look_for_ensured(&instance, resource).await;
        }
        if self.subject.is_some() {
            return self.look_at_subject(&instance, resource, op).await;
        }
        let known = self.known(&instance, resource, op)?;
        let Some(row) = self.find_ours(&instance, resource, &known).await? else { return Ok(None) };
        self.row = Some(row.clone());
        self.made = true;
        let known = Known { row: row.fields, ..known };
        Ok(Some(self.carry_out(&instance, resource, op, known, true).await))
    }

    /// What carries the key; of several the first is kept and the others are removed.
    pub(super) async fn find_ours(
        &mut self,
        instance: &Instance,
        resource: &Resource,
        known: &Known,
    ) -> Result<Option<Row>, Trouble> {
        if is_on(Mutant::NoMarker) {
            return Ok(None);
        }
        if known.row.contains_key("id") {
            return instance.read(resource, known.row.clone(), known.args.clone()).await;
        }
        if let (Some(mark), Some(marker)) = (render::mark_for(resource, instance.offered()), &known.marker) {
            let mut ours = instance.marked(resource, mark, marker, &known.args).await?.into_iter();
            let first = ours.next();
            for twin in ours {
                remove::delete(&self.run, &self.step.key, self.atom, instance, resource, &twin, self.times.answer)
                    .await?;
            }
            return Ok(first);
        }
        // The name was free before the request was sent, and the site keeps it unique.
        self.found_by_name(instance, resource).await
    }

    pub(super) async fn look_for_ensured(
        &mut self,
        instance: &Arc<Instance>,
        resource: &Resource,
    ) -> Result<Option<Result<(), Stop>>, Trouble> {
        let Some(found) = self.found_by_name(instance, resource).await? else { return Ok(None) };
        let wanted = self.args.clone().unwrap_or_default().0;
        let same = render::differences(resource, &wanted, &found.fields).is_empty();
        let before = found.fields.clone();
        self.row = Some(found);
        if self.before.is_none() && !self.made {
            self.before = Some(before);
        }
        // What differs is not there as it is asked for: sending changes it.
        Ok(same.then_some(Ok(())))
    }

    /// An operation on something that is there: whether it is as the operation would leave it.
    pub(super) async fn look_at_subject(
        &mut self,
        instance: &Instance,
        resource: &Resource,
        op: &Op,
    ) -> Result<Option<Result<(), Stop>>, Trouble> {
        let Some(subject) = self.subject.clone() else { return Ok(None) };
        let Some(row) = instance.read(resource, subject.fields, Fields::new()).await? else {
            let gone = Trouble::refused(format!("the {} is not there any more", resource.name));
            return Ok(Some(Err(Stop::Broken(gone))));
        };
        self.row = Some(row);
        let known = self.known(instance, resource, op)?;
        let done = match &op.already {
            Some(already) => render::holds(already, &known)?,
            None => false,
        };
        Ok(done.then_some(Ok(())))
    }

    pub(super) fn unanswered(&mut self, trouble: Trouble) -> Seen {
        self.word = trouble.message.clone();
        let (site, why) = (self.atom, trouble.message);
        self.emit(if trouble.stopped { EventKind::Stopped { site, why } } else { EventKind::Silent { site, why } });
        Seen::Nothing
    }
}
