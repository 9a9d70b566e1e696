//! Closing a silent site: tickets are made before a request and destroyed to fence it, ids are used up, or all is quiet.

use super::super::body::{Body, Stop};
use super::super::event::EventKind;
use super::super::instance::Instance;
use super::super::pursue::Seen;
use super::super::trouble::{Kind, Trouble};
use super::super::{remove, resolve};
use super::{SiteEffect, operation};
use edge_lang::library::render::{self, Fields, Row, Scope as Known};
use edge_lang::library::{Op, Resource};
use edge_lang::model::Observation;
use edge_lang::mutant::{Mutant, is_on};
use std::sync::Arc;
use std::time::Duration;

impl SiteEffect {
    /// Makes the ingredient that only this request needs, where the library names one and the user gave none.
    pub(super) async fn make_ticket(
        &mut self,
        instance: &Instance,
        resource: &Resource,
        op: &Op,
        known: &mut Known,
    ) -> Result<(), Trouble> {
        let Some(fence) = &resource.fence else { return Ok(()) };
        let Some(param) = fence.param.as_ref().filter(|p| op.params.iter().any(|q| q.name == **p)) else {
            return Ok(());
        };
        if known.args.contains_key(param) {
            return Ok(());
        }
        // The request that it was made for did not leave.
        if let Some(ticket) = &self.ticket {
            known.args.insert(param.clone(), resolve::record(ticket.clone()));
            return Ok(());
        }
        let Ok(ingredient) = instance.resource(&fence.resource) else { return Ok(()) };
        let Some(create) = ingredient.ops.get("create") else { return Ok(()) };
        let name = self.ticket_name();
        if self.ticket_lost
            && let Some(row) = instance.named(ingredient, &name).await?.into_iter().next()
        {
            self.ticket_lost = false;
            known.args.insert(param.clone(), resolve::record(row.clone()));
            self.ticket = Some(row);
            return Ok(());
        }
        let mut with = Known { args: Fields::from_iter([("name".into(), name.clone().into())]), ..instance.known() };
        let given = |n: &str| n == "name";
        with.version = render::version_for_write(instance.service(), ingredient, create, given, instance.offered())?;
        render::fill_defaults(&create.params, &mut with)?;
        let run = self.run.clone();
        let step = self.step.clone();
        let mut body = Body {
            op: Some(create),
            ..Body::new(&run, &step.key, self.atom, instance, ingredient, with, self.times.answer)
        };
        match body.go(&create.body).await {
            Ok(()) => {
                let row = body.row();
                known.args.insert(param.clone(), resolve::record(row.clone()));
                self.ticket = Some(row);
                Ok(())
            }
            Err(Stop::NotReached(t)) => Err(t),
            // Whether it was made is not known. It is harmless, and its name tells whose it is.
            Err(Stop::Silent(t)) => {
                self.ticket_lost = true;
                Err(Trouble { kind: Kind::NotReached, ..t })
            }
            // The site makes none (a quota): the site is closed by quiet then.
            Err(Stop::Refused(_) | Stop::Broken(_)) => Ok(()),
        }
    }

    pub(super) fn ticket_name(&self) -> String {
        format!("edge-{}", self.identity())
    }

    /// The request was answered: nobody needs the ticket any more, and nobody waits until it is gone.
    pub(super) fn drop_ticket(&mut self) {
        let lost = std::mem::take(&mut self.ticket_lost).then(|| self.ticket_name());
        let ticket = self.ticket.take();
        let Some(instance) = self.instance.clone().filter(|_| ticket.is_some() || lost.is_some()) else { return };
        let (run, key, site) = (self.run.clone(), self.step.key.clone(), self.atom);
        let (resource, time) = (self.resource.clone(), self.times.answer);
        let work = async move {
            let Ok(resource) = instance.resource(&resource) else { return };
            let Some(fence) = &resource.fence else { return };
            let Ok(ingredient) = instance.resource(&fence.resource) else { return };
            let mut pause = Duration::from_millis(500);
            for _ in 0..8 {
                let gone = async {
                    let mut all: Vec<Row> = ticket.iter().cloned().collect();
                    if let Some(name) = &lost {
                        // Also the one that is known has that name.
                        let known = |row: &Row| ticket.as_ref().is_some_and(|ticket| ticket.id == row.id);
                        all.extend(instance.named(ingredient, name).await?.into_iter().filter(|row| !known(row)));
                    }
                    for row in &all {
                        remove::delete(&run, &key, site, &instance, ingredient, row, time).await?;
                    }
                    Ok::<_, Trouble>(())
                };
                match gone.await {
                    Ok(()) => return,
                    Err(trouble) => {
                        tracing::warn!(target: "edge", site = %instance.site_name, "a ticket stays: {}", trouble.message);
                    }
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(15));
            }
        };
        self.run.background(work);
    }

    pub(super) async fn destroy(&mut self, ticket: &Row) -> Result<(), Trouble> {
        let instance = self.open().await?;
        let resource = instance.resource(&self.resource)?;
        let Some(fence) = &resource.fence else { return Ok(()) };
        let ingredient = instance.resource(&fence.resource)?;
        remove::delete(&self.run, &self.step.key, self.atom, &instance, ingredient, ticket, self.times.answer).await
    }

    /// The ticket of which only the name is known. Where there is none, nothing that needs it can have left; but its own
    /// making may still arrive, and what was sent without one too, so that proves nothing.
    async fn destroy_by_name(
        &mut self,
        instance: &Instance,
        resource: &Resource,
    ) -> Result<Option<&'static str>, Trouble> {
        let Some(fence) = &resource.fence else { return Ok(None) };
        let ingredient = instance.resource(&fence.resource)?;
        let all = instance.named(ingredient, &self.ticket_name()).await?;
        for ticket in &all {
            self.destroy(ticket).await?;
        }
        self.ticket_lost = false;
        Ok((!all.is_empty()).then_some("destroying its ticket"))
    }

    pub(super) async fn fence(&mut self) -> Seen {
        let fenced = async {
            let instance = self.open().await?;
            let resource = instance.resource(&self.resource)?;
            let chosen = resource.fence.as_ref().is_some_and(|f| f.param.is_none());
            if chosen && self.is_of_chosen_id(&instance, resource)? {
                return self.burn_id(&instance, resource).await.map(|()| Some("using up its id"));
            }
            match self.ticket.clone() {
                Some(ticket) => {
                    self.destroy(&ticket).await?;
                    self.ticket = None;
                    Ok(Some("destroying its ticket"))
                }
                None if self.ticket_lost => self.destroy_by_name(&instance, resource).await,
                None => Ok(None),
            }
        };
        let fenced: Result<Option<&'static str>, Trouble> = fenced.await;
        match fenced {
            Ok(Some(how)) => {
                self.emit(EventKind::Fenced { site: self.atom, how });
                Seen::Observed(Observation::Fenced)
            }
            // No ticket was made: what is left is to be quiet.
            Ok(None) => self.quiet().await,
            Err(_) if is_on(Mutant::FenceUnheard) => Seen::Observed(Observation::Fenced),
            Err(trouble) => self.unanswered(trouble),
        }
    }

    /// Whether what may still come has the id that was chosen for it. What was there before has an id of its own: using that up
    /// would remove it.
    fn is_of_chosen_id(&self, instance: &Instance, resource: &Resource) -> Result<bool, Trouble> {
        let Some((field, chosen)) = &resource.chosen else { return Ok(false) };
        let known = self.known(instance, resource, operation(resource, "create")?)?;
        let own = render::evaluate(chosen, &known)?;
        Ok(own.is_some() && own.as_ref() == known.row.get(field))
    }

    /// Makes and deletes the thing of the chosen id, which can then never be made again.
    pub(super) async fn burn_id(&mut self, instance: &Arc<Instance>, resource: &Resource) -> Result<(), Trouble> {
        let op = operation(resource, "create")?;
        let mut known = self.known(instance, resource, op)?;
        // Without content: the id is all that matters.
        known.args =
            Fields::from_iter([("name".into(), known.args.get("name").cloned().unwrap_or_else(|| "edge".into()))]);
        render::fill_defaults(&op.params, &mut known)?;
        let own = known.clone();
        let run = self.run.clone();
        let step = self.step.clone();
        let mut body = Body {
            op: Some(op),
            ..Body::new(&run, &step.key, self.atom, instance, resource, known, self.times.answer)
        };
        match body.begin(&op.body).await {
            Ok(()) if body.existed => self.remove_placeholder(instance, resource, &own).await?,
            Ok(()) => {
                let found = body.row();
                let time = self.times.answer;
                remove::delete(&self.run, &self.step.key, self.atom, instance, resource, &found, time).await?;
            }
            Err(Stop::Refused(t) | Stop::NotReached(t) | Stop::Silent(t) | Stop::Broken(t)) => return Err(t),
        }
        self.spent = true;
        Ok(())
    }

    /// The id is taken. By the request itself, which the probe will find; or by what used the id up before, and whose removal was
    /// not answered: that has no marker, and must not be taken for the effect, since the removal may still come.
    async fn remove_placeholder(
        &mut self,
        instance: &Arc<Instance>,
        resource: &Resource,
        own: &Known,
    ) -> Result<(), Trouble> {
        let (Some(mark), Some(marker)) = (render::mark_for(resource, instance.offered()), &own.marker) else {
            return Ok(());
        };
        if !instance.marked(resource, mark, marker, &own.args).await?.is_empty() {
            return Ok(());
        }
        let Some(found) = instance.read(resource, own.row.clone(), own.args.clone()).await? else { return Ok(()) };
        let time = self.times.answer;
        remove::delete(&self.run, &self.step.key, self.atom, instance, resource, &found, time).await
    }

    /// Two answered probes, the quiet time apart.
    pub(super) async fn quiet(&mut self) -> Seen {
        match self.probe().await {
            Seen::Observed(Observation::Absent) => {}
            other => return other,
        }
        self.emit(EventKind::Waiting { site: self.atom, why: format!("quiet for {} s", self.times.quiet.as_secs()) });
        if !self.run.pause(self.times.quiet).await {
            return Seen::Nothing;
        }
        match self.probe().await {
            Seen::Observed(Observation::Absent) => {
                self.emit(EventKind::Fenced { site: self.atom, how: "waiting until nothing can be under way" });
                self.attempt += 1;
                Seen::Observed(Observation::Quiet)
            }
            other => other,
        }
    }
}
