//! A plan as JSON for other programs: sites by name, places as file, line and column.

use super::{Action, Content, Plan, PlannedEffect, PlannedStep};
use crate::inventory::Inventory;
use crate::model::SiteSet;
use crate::span::{Sources, Span};
use serde_json::{Map, Value as Json, json};

impl Plan {
    pub fn json(&self, inventory: &Inventory, sources: &Sources) -> Json {
        let entries: Vec<Json> = self
            .entries
            .iter()
            .map(|entry| {
                let mut members = Map::new();
                members.insert("place".into(), place(entry.span, sources));
                if !entry.sections.is_empty() {
                    let sections = entry.sections.iter().map(|s| json!({ "kind": s.kind, "title": s.title }));
                    members.insert("sections".into(), sections.collect());
                }
                match &entry.content {
                    Content::Step(step) => members.insert("step".into(), step_json(step, inventory)),
                    Content::Print(text) => members.insert("print".into(), json!(text)),
                    Content::Note(text) => members.insert("note".into(), json!(text)),
                };
                Json::Object(members)
            })
            .collect();
        let counts = self.counts();
        json!({
            "entries": entries,
            "summary": {
                "create": counts.create,
                "change": counts.change,
                "delete": counts.delete,
                "copy": counts.copy,
                "already": counts.already,
                "refused": counts.refused,
                "silent": counts.silent,
                "perhaps": counts.perhaps,
                "destroys": counts.destroys,
                "known_only_later": counts.open,
                "sites": names(&counts.sites, inventory),
            },
        })
    }
}

fn place(span: Span, sources: &Sources) -> Json {
    let position = sources.position(span);
    let file = sources.get(span.file).map_or("", |source| &*source.name);
    json!({ "file": file, "line": position.line, "column": position.column })
}

fn names(sites: &SiteSet, inventory: &Inventory) -> Vec<String> {
    sites.iter().map(|site| inventory.name(site).to_owned()).collect()
}

fn step_json(step: &PlannedStep, inventory: &Inventory) -> Json {
    let effects: Vec<Json> = step.effects.iter().map(|effect| effect_json(effect, inventory)).collect();
    let otherwise: Vec<Vec<String>> = step.otherwise.iter().map(|sites| names(sites, inventory)).collect();
    let mut members = json!({
        "operation": format!("{}.{}", step.resource, step.operation),
        "kind": step.kind,
        "service": step.service,
        "name": step.name,
        "arguments": step.arguments,
        "content": step.content,
        "placement": step.placement,
        "aimed": names(&step.aimed, inventory),
        "otherwise": otherwise,
        "more": step.more,
        "known_only_later": step.later.iter().chain(&step.unknown).collect::<Vec<_>>(),
        "effects": effects,
    });
    if !step.brings.is_empty() {
        members["more_brings_from"] = json!(names(&step.brings, inventory));
    }
    if let Some(by) = &step.preferred_by {
        let order = step.preferred.iter().map(|p| json!({ "site": inventory.name(p.site), "why": p.why }));
        members["preferred"] = json!({ "by": by, "order": order.collect::<Vec<_>>() });
    }
    members
}

fn effect_json(effect: &PlannedEffect, inventory: &Inventory) -> Json {
    let mut members = Map::new();
    let mut put = |name: &str, value: Json| members.insert(name.to_owned(), value);
    put("site", json!(inventory.name(effect.site)));
    put("resource", json!(effect.resource));
    put("name", json!(effect.name));
    for (name, value) in [("id", &effect.id), ("account", &effect.account)] {
        if let Some(value) = value {
            put(name, json!(value));
        }
    }
    if effect.fallback {
        put("fallback", json!(true));
    }
    if !effect.brings.is_empty() {
        put("brings_from", json!(names(&effect.brings, inventory)));
    }
    let action = match &effect.action {
        Action::Read => "read",
        Action::Create => "create",
        Action::AlreadyThere => "already_there",
        Action::Change { fields } => {
            put("fields", json!(fields));
            "change"
        }
        Action::Replace { fields } => {
            put("fields", json!(fields));
            "replace"
        }
        Action::Delete => "delete",
        Action::Act { operation, last } => {
            put("operation", json!(operation));
            put("final", json!(last));
            "act"
        }
        Action::Copy { from, size } => {
            put("from", json!(inventory.name(*from)));
            put("size", json!(size));
            "copy"
        }
        Action::Nothing { why } => {
            put("why", json!(why));
            "nothing"
        }
        Action::Silent { why } => {
            put("why", json!(why));
            "silent"
        }
        Action::Refused { why } => {
            put("why", json!(why));
            "refused"
        }
    };
    put("action", json!(action));
    Json::Object(members)
}
