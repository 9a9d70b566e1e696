//! A plan as an operator reads it: a sign, what, where; equal effects at many sites in one line; one line that counts.

use super::{Action, Content, Counts, Entry, Plan, PlannedEffect, PlannedStep};
use crate::eval::{Preferred, StepKind, bytes_text, harmless, sites_text};
use crate::inventory::Inventory;
use crate::model::{SiteSet, names};
use indexmap::IndexMap;
use std::collections::{BTreeSet, HashMap};

/// Iterations of one step that are shown one by one.
const MOST_ALIKE: usize = 4;
/// Sites named in a line before they are only counted.
const MOST_NAMED: usize = 12;
/// Documents of which the beginning is shown; where there are more, of none.
const MOST_CONTENTS: usize = 24;
/// Letters of a line of arguments.
const WIDEST: usize = 110;

impl Plan {
    /// `+` create, `~` change, `-` delete, `+/-` replace, `!` what cannot be undone, `<=` copy, `=` already there.
    pub fn text(&self, inventory: &Inventory) -> String {
        let mut out = String::new();
        let mut open: Vec<String> = Vec::new();
        let mut alike = self.alike();
        let brief = self.steps().filter(|(_, step)| !step.content.is_empty()).count() > MOST_CONTENTS;
        for entry in self.entries.iter().filter(|entry| !is_read(entry)) {
            let gathered = match &entry.content {
                Content::Step(step) => match alike.get_mut(&shape(entry, step)) {
                    Some(steps) if steps.len() > MOST_ALIKE => Some(std::mem::take(steps)),
                    Some(steps) if steps.is_empty() => continue,
                    _ => None,
                },
                _ => None,
            };
            let titles: Vec<String> = entry.sections.iter().map(|section| section.title.clone()).collect();
            let common = open.iter().zip(&titles).take_while(|(a, b)| a == b).count();
            for (depth, title) in titles.iter().enumerate().skip(common) {
                line(&mut out, depth, &format!("{title}:"));
            }
            open = titles;
            match &entry.content {
                Content::Step(step) => match gathered {
                    Some(steps) => step_text(&mut out, open.len(), &together(&steps), inventory),
                    None if brief && !step.content.is_empty() => {
                        let step = PlannedStep { content: Vec::new(), ..(**step).clone() };
                        step_text(&mut out, open.len(), &step, inventory);
                    }
                    None => step_text(&mut out, open.len(), step, inventory),
                },
                Content::Print(text) => {
                    let first = text.lines().next().unwrap_or("");
                    let more = if text.lines().count() > 1 { " …" } else { "" };
                    line(&mut out, open.len(), &format!("prints {first}{more}"));
                }
                Content::Note(text) => line(&mut out, open.len(), &format!("note: {text}")),
            }
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out += &self.reads_text(inventory);
        out += &summary(&self.counts(), inventory);
        out.push('\n');
        out
    }

    /// The iterations of a step that differ in names and sites only.
    fn alike(&self) -> HashMap<String, Vec<&PlannedStep>> {
        let mut alike: HashMap<String, Vec<&PlannedStep>> = HashMap::new();
        for (entry, step) in self.steps().filter(|(entry, _)| !is_read(entry)) {
            alike.entry(shape(entry, step)).or_default().push(step);
        }
        alike
    }

    /// What was looked at to make the plan, one line for each operation.
    fn reads_text(&self, inventory: &Inventory) -> String {
        let mut reads: IndexMap<String, (SiteSet, SiteSet)> = IndexMap::new();
        for (_, step) in self.steps().filter(|(_, step)| step.kind == StepKind::Read && step.later.is_none()) {
            let (asked, silent) = reads.entry(format!("{}.{}", step.resource, step.operation)).or_default();
            match step.effects.is_empty() {
                true => asked.add(&step.aimed),
                false => asked.extend(step.effects.iter().map(|effect| effect.site)),
            }
            let quiet = step.effects.iter().filter(|effect| matches!(effect.action, Action::Silent { .. }));
            silent.extend(quiet.map(|effect| effect.site));
        }
        let mut out = String::new();
        for (what, (asked, silent)) in reads {
            out += &format!("Read {what} at {}", named(&asked, inventory));
            if !silent.is_empty() {
                out += &format!("; no answer from {}", named(&silent, inventory));
            }
            out.push('\n');
        }
        out
    }
}

/// All that is shown of a step but its name and its sites.
fn shape(entry: &Entry, step: &PlannedStep) -> String {
    let titles: Vec<&str> = entry.sections.iter().map(|section| section.title.as_str()).collect();
    let effects: Vec<_> = step
        .effects
        .iter()
        .map(|e| {
            let name = e.name.as_ref().filter(|_| e.name != step.name);
            (&e.action, &e.resource, name, &e.account, e.fallback, &e.brings)
        })
        .collect();
    let said = (&step.key.call, &step.arguments, &step.unknown, &step.later, step.more, step.name.is_some());
    format!("{titles:?} {said:?} {effects:?} {:?} {:?}", step.brings, step.preferred)
}

/// Steps that are alike as one, with their names folded.
fn together(steps: &[&PlannedStep]) -> PlannedStep {
    let names: BTreeSet<&str> = steps.iter().filter_map(|step| step.name.as_deref()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let name = (!names.is_empty()).then(|| names::fold(&names));
    let mut all = PlannedStep { effects: Vec::new(), ..(*steps[0]).clone() };
    for step in steps {
        all.effects.extend(step.effects.iter().map(|effect| PlannedEffect {
            name: if effect.name == step.name { name.clone() } else { effect.name.clone() },
            ..effect.clone()
        }));
    }
    all.name = name;
    if steps.iter().any(|step| step.content != all.content) {
        all.content.clear();
    }
    all
}

/// Reads are gathered below, unless they can be done only later.
fn is_read(entry: &Entry) -> bool {
    matches!(&entry.content, Content::Step(step) if step.kind == StepKind::Read && step.later.is_none())
}

fn line(out: &mut String, depth: usize, text: &str) {
    *out += &"  ".repeat(depth + 1);
    *out += harmless(text, false).trim_end();
    out.push('\n');
}

fn named(sites: &SiteSet, inventory: &Inventory) -> String {
    let text = sites_text(sites, inventory);
    match sites.len() > MOST_NAMED && text.len() > 100 {
        true => format!("{} sites", sites.len()),
        false => text,
    }
}

fn step_text(out: &mut String, depth: usize, step: &PlannedStep, inventory: &Inventory) {
    let title = resource_text(&step.resource, step.name.as_deref());
    if let Some(later) = &step.later {
        let title = match step.name {
            Some(_) => title,
            None => step.resource.clone(),
        };
        // An operation on what is not known yet says it once.
        let of_it = format!("{}: {later}", step.resource);
        match step.unknown.contains(&of_it) {
            true => line(out, depth, &format!("? {} {later}, known only later", step.operation)),
            false => line(out, depth, &format!("? {title}: {} at {later}, known only later", step.operation)),
        }
        let step = &PlannedStep {
            unknown: step.unknown.iter().filter(|what| **what != of_it).cloned().collect(),
            ..step.clone()
        };
        details(out, depth, step);
        return;
    }
    let promised;
    let effects = match step.effects.is_empty() {
        true => {
            promised = step.promised();
            &promised
        }
        false => &step.effects,
    };
    // Equal effects of many sites are one line, where the first of them stands.
    let mut groups: IndexMap<(String, String, bool), SiteSet> = IndexMap::new();
    for effect in effects {
        let (sign, words) = effect_text(effect, inventory);
        // Nobody has looked yet whether it is there.
        let ensured = effect.fallback && step.kind == StepKind::Ensure && effect.action == Action::Create;
        let words = if ensured { words + ", or changed to be so" } else { words };
        let words = match (&effect.action, effect.brings.is_empty()) {
            (Action::Silent { .. }, false) => {
                format!("{words}; what it needs may be brought from {}", named(&effect.brings, inventory))
            }
            _ => words + &bringing(&effect.brings, inventory),
        };
        groups.entry((sign.to_owned(), words, effect.fallback)).or_default().insert(effect.site);
    }
    let mut detailed = false;
    for ((sign, words, fallback), sites) in &groups {
        let at = named(sites, inventory);
        let text = words.replacen("\u{0}", &at, 1);
        match fallback {
            true => line(out, depth, &format!("  else {sign} {text}")),
            false => line(out, depth, &format!("{sign} {text}")),
        }
        if !detailed && !fallback && matches!(sign.as_str(), "+" | "~" | "+/-" | "!") {
            details(out, depth, step);
            detailed = true;
        }
    }
    if let Some(by) = &step.preferred_by {
        let mut order: Vec<String> = step.preferred.iter().take(MOST_NAMED).map(|p| preferred(p, inventory)).collect();
        let more = step.preferred.len() - order.len();
        order.extend((more > 0).then(|| format!("and {more} more")));
        line(out, depth, &format!("    preferred by {by}: {}", order.join(", ")));
    }
    if step.more {
        let brings = bringing(&step.brings, inventory);
        line(out, depth, &format!("  else elsewhere, as {} allows{brings}", cut(&step.placement)));
    }
}

fn preferred(preferred: &Preferred, inventory: &Inventory) -> String {
    match preferred.why.is_empty() {
        true => inventory.name(preferred.site).to_string(),
        false => format!("{} ({})", inventory.name(preferred.site), cut(&preferred.why)),
    }
}

/// Copies that are seen to be due or not only when the site is looked at.
fn bringing(from: &SiteSet, inventory: &Inventory) -> String {
    match from.is_empty() {
        true => String::new(),
        false => format!(", bringing what it needs from {}", named(from, inventory)),
    }
}

fn cut(text: &str) -> String {
    match text.chars().count() > 100 {
        true => format!("{}…", text.chars().take(99).collect::<String>()),
        false => text.to_owned(),
    }
}

fn details(out: &mut String, depth: usize, step: &PlannedStep) {
    for said in [&step.arguments, &step.content] {
        let mut row = String::new();
        for (i, part) in said.iter().enumerate() {
            if !row.is_empty() && row.chars().count() + part.chars().count() > WIDEST {
                line(out, depth, &format!("    {}", row.trim_end()));
                row.clear();
            }
            row += part;
            row += if i + 1 < said.len() { ", " } else { "" };
        }
        if !row.is_empty() {
            line(out, depth, &format!("    {row}"));
        }
    }
    for unknown in &step.unknown {
        line(out, depth, &format!("    {unknown} (known later)"));
    }
}

fn resource_text(resource: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{resource} {name:?}"),
        None => resource.to_owned(),
    }
}

/// The sign, and the words, in which NUL stands for the sites.
fn effect_text(effect: &PlannedEffect, inventory: &Inventory) -> (&'static str, String) {
    let what = resource_text(&effect.resource, effect.name.as_deref().or(effect.id.as_deref()));
    let account = match &effect.account {
        Some(account) => format!(" as {account}"),
        None => String::new(),
    };
    let fields = |fields: &[super::FieldChange]| {
        let all: Vec<String> = fields.iter().map(|f| format!("{} {} → {}", f.field, f.from, f.to)).collect();
        all.join(", ")
    };
    match &effect.action {
        Action::Read => ("<", format!("{what} at \u{0}{account}")),
        Action::Create => ("+", format!("{what} at \u{0}{account}")),
        Action::AlreadyThere => ("=", format!("{what} at \u{0}, already there")),
        Action::Change { fields: changed } => ("~", format!("{what} at \u{0}{account}: {}", fields(changed))),
        Action::Replace { fields: changed } => ("+/-", format!("{what} at \u{0}{account}: {}", fields(changed))),
        Action::Delete => ("-", format!("{what} at \u{0}{account}")),
        Action::Act { operation, last: false } => ("~", format!("{what} at \u{0}{account}: {operation}")),
        Action::Act { operation, last: true } => {
            ("!", format!("{what} at \u{0}{account}: {operation}, which cannot be undone"))
        }
        Action::Copy { from, size } => {
            let size = size.map(|size| format!(" ({})", bytes_text(size))).unwrap_or_default();
            ("<=", format!("copy {what} {} -> \u{0}{size}{account}", inventory.name(*from)))
        }
        Action::Nothing { why } => ("=", format!("{what} at \u{0}, nothing to do: {why}")),
        Action::Silent { why } => ("?", format!("{what} at \u{0}, which does not answer: {why}")),
        Action::Refused { why } => ("x", format!("{what} at \u{0} cannot be: {why}")),
    }
}

fn summary(counts: &Counts, inventory: &Inventory) -> String {
    let nothing = counts.create + counts.change + counts.delete + counts.copy == 0;
    let mut text = match nothing && counts.perhaps == 0 && !counts.open {
        true => "Plan: nothing to do".to_owned(),
        false => format!("Plan: {} to create, {} to change, {} to delete", counts.create, counts.change, counts.delete),
    };
    if counts.copy > 0 {
        text += &format!(", {} to copy", counts.copy);
    }
    if !counts.sites.is_empty() {
        text += &format!(", at {}", named(&counts.sites, inventory));
    }
    if counts.already > 0 {
        text += &format!("; {} already as asked", counts.already);
    }
    if counts.perhaps > 0 {
        text += &format!("; up to {} more, perhaps or instead", counts.perhaps);
    }
    if counts.silent > 0 {
        text += &format!("; {} not known, no answer", counts.silent);
    }
    if counts.refused > 0 {
        text += &format!("; {} cannot be", counts.refused);
    }
    if counts.open {
        text += "; more is known only later";
    }
    text
}
