//! A document at one site: what it describes is made, or what is there is made to be so; the site is asked first what that
//! would change, and nothing is sent where it is nothing.
//!
//! What was there is remembered whole, so that it can be put back. The marker is made of what the document says: it tells
//! whether a request arrived, and is the same in every run.

use super::super::body::Stop;
use super::super::instance::Instance;
use super::super::rehearse::{self, Tried};
use super::super::trouble::Trouble;
use super::{SiteEffect, before, hashed};
use edge_lang::library::render::{self, Fields, Scope as Known};
use edge_lang::library::{Op, Resource};
use edge_lang::plan::Action;
use serde_json::Value as Json;
use std::sync::Arc;

/// The marker of what a document makes.
pub fn marker(kind: &str, name: &str, document: &Json) -> String {
    hashed(&format!("document {kind} {name} {document}"))
}

impl SiteEffect {
    /// The document, once the arguments are known.
    pub(super) fn document(&self) -> Option<&Json> {
        let document = self.step.document.as_ref()?;
        let (args, _) = self.args.as_ref()?;
        args.get(&document.param)
    }

    pub(super) async fn send_document(
        &mut self,
        instance: &Arc<Instance>,
        resource: &Resource,
        op: &Op,
    ) -> Result<(), Stop> {
        self.see(instance, resource).await.map_err(|t| before(t.of_read()))?;
        let known = self.known(instance, resource, op).map_err(before)?;
        self.bring_referred(instance, resource, op, &known).await.map_err(before)?;
        let action = match &self.before {
            None => Action::Create,
            Some(now) => {
                match rehearse::attempt(instance, resource, op, known.clone()).await.map_err(before)? {
                    Tried::Would(then) => match rehearse::differences(instance, resource, now, &then) {
                        fields if fields.is_empty() => return Ok(()),
                        fields => Action::Change { fields },
                    },
                    // It has gone since.
                    Tried::Create => Action::Create,
                    Tried::Untried => Action::Act { operation: op.name.to_string(), last: op.is_final() },
                    Tried::Lacking(trouble) => return Err(before(trouble)),
                }
            }
        };
        self.approve(action).await.map_err(before)?;
        self.journal_send(self.kept_before(self.before.is_none(), false)).await?;
        self.carry_out(instance, resource, op, known, false).await
    }

    /// What is there before anything is sent, once.
    async fn see(&mut self, instance: &Instance, resource: &Resource) -> Result<(), Trouble> {
        if self.seen {
            return Ok(());
        }
        let Some(document) = self.document() else { return Ok(()) };
        let identity = rehearse::identity(resource, document)?;
        let found = instance.read(resource, identity, Fields::new()).await?;
        self.before = found.as_ref().map(|row| row.fields.clone());
        self.open = found.as_ref().is_some_and(|row| !rehearse::holds_secrets(instance, &row.fields));
        self.row = found;
        self.seen = true;
        Ok(())
    }

    /// Whether what is there is of this document: it carries its marker.
    pub(super) async fn look_for_document(
        &mut self,
        instance: &Arc<Instance>,
        resource: &Resource,
        op: &Op,
    ) -> Result<Option<Result<(), Stop>>, Trouble> {
        self.see(instance, resource).await?;
        let Some(document) = self.document() else { return Ok(None) };
        let identity = rehearse::identity(resource, document)?;
        let Some(row) = instance.read(resource, identity, Fields::new()).await? else { return Ok(None) };
        let marker = render::marker_text(&self.marker());
        let mark = render::mark_for(resource, instance.offered());
        if !mark.is_some_and(|mark| rehearse::carries(resource, mark, &row, &marker)) {
            return Ok(None);
        }
        let known = Known { row: row.fields.clone(), ..self.known(instance, resource, op)? };
        self.row = Some(row);
        match self.before {
            None => self.made = true,
            Some(_) => self.changed = true,
        }
        Ok(Some(self.carry_out(instance, resource, op, known, true).await))
    }
}
