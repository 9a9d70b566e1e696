//! Which minimal outcomes a placement has: lazily, in order, and never by a truth table.
//!
//! One question is answered, "the first minimal outcome, given ...", and all else is asked through it. Two
//! facts carry it. Restricting outcomes to those that avoid some sites keeps minimality, since every subset of
//! such an outcome avoids them too; so "is a smaller one accepted?" and "what comes next?" are the same question
//! with more sites banned. And minimal outcomes of parts that share no site combine without comparing: for `&&`
//! their union, for `||` one of them, for `xor` one part turned over. Parts that do share are split on a shared
//! site, within a budget.
//!
//! Sites are searched under their *ranks* in the order of preference, so "first" is the order of [`SiteSet`]s.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;

use super::form::{Form, Shape, Test, Truth};
use super::placement::Placement;
use super::set::SiteSet;
use super::site::SiteId;

/// The parts of the formula share so many sites that the search was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tangled;

impl fmt::Display for Tangled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the parts of the placement share too many sites to find its outcomes")
    }
}

impl std::error::Error for Tangled {}

type Found = Result<Option<SiteSet>, Tangled>;

/// A placement, ready to be searched, with its sites in order of preference.
#[derive(Clone, Debug)]
pub(super) struct Outcomes {
    pub form: Form,
    order: Vec<SiteId>,
    ranks: HashMap<SiteId, SiteId>,
}

impl Outcomes {
    /// Sites that `preference` does not name come last, in written order; those it names in vain are ignored.
    pub fn of(placement: &Placement, preference: &[SiteId]) -> Outcomes {
        let written = placement.written_order();
        let mut left: SiteSet = written.iter().copied().collect();
        let order: Vec<SiteId> = preference.iter().chain(&written).copied().filter(|&site| left.remove(site)).collect();
        let ranks: HashMap<SiteId, SiteId> =
            order.iter().enumerate().map(|(rank, &site)| (site, SiteId::at(rank))).collect();
        let form = Form::build(placement, &|site| ranks[&site], true);
        Outcomes { form, order, ranks }
    }

    /// Another placement of the same sites, by rank.
    pub fn form_of(&self, placement: &Placement) -> Form {
        Form::build(placement, &|site| self.ranks[&site], true)
    }

    /// The sites, by rank.
    pub fn order(&self) -> &[SiteId] {
        &self.order
    }

    pub fn rank_of(&self, site: SiteId) -> Option<SiteId> {
        self.ranks.get(&site).copied()
    }

    pub fn sites_of(&self, ranks: &SiteSet) -> SiteSet {
        ranks.iter().map(|rank| self.order[rank.index()]).collect()
    }

    pub fn ranks_of(&self, sites: &SiteSet) -> SiteSet {
        sites.iter().filter_map(|site| self.rank_of(site)).collect()
    }

    /// The first of the minimal outcomes that contain `pin` and avoid `ban`; with `strays`, the first that also
    /// holds over those of them that it does not contain.
    pub fn first(&self, pin: &SiteSet, ban: &SiteSet, strays: Option<&SiteSet>) -> Found {
        first_of(&self.form, pin, ban, strays)
    }

    pub fn stream(&self) -> Stream {
        let parts: Vec<&Form> = match &self.form.shape {
            Shape::All(parts) => parts.iter().collect(),
            _ => vec![&self.form],
        };
        let mut ask = Ask::default();
        // What every outcome contains needs not be tried without.
        let forced = if propagate(&parts, true, &mut ask) { ask.pin } else { SiteSet::new() };
        Stream { last: None, ended: false, forced }
    }
}

/// [`Outcomes::first`] of any form over ranks.
pub(super) fn first_of(form: &Form, pin: &SiteSet, ban: &SiteSet, strays: Option<&SiteSet>) -> Found {
    if !pin.is_disjoint(ban) {
        return Ok(None);
    }
    let ask = Ask { pin: pin.clone(), ban: ban.clone(), must: SiteSet::new(), strays: strays.cloned() };
    // A pinned site may have cancelled out of the form, as in `A xor A`.
    Ok(Search::default().first(form, true, &ask)?.map(|found| found.union(pin)))
}

/// The minimal outcomes one after the other.
pub(super) struct Stream {
    last: Option<SiteSet>,
    ended: bool,
    forced: SiteSet,
}

impl Stream {
    /// The next one, by rank.
    pub fn next(&mut self, outcomes: &Outcomes) -> Option<Result<SiteSet, Tangled>> {
        let ask = Ask { must: self.forced.clone(), ..Ask::default() };
        let found = self.advance(&ask, &outcomes.form.sites, &|ask| Search::default().first(&outcomes.form, true, ask));
        self.ended |= found.is_err();
        found.transpose()
    }

    fn over(ask: &Ask) -> Stream {
        Stream { last: None, ended: false, forced: ask.pin.clone() }
    }

    /// In the order of sets the successor of an outcome agrees with it up to some site that it contains, the
    /// last possible one, and does without that.
    fn advance(&mut self, ask: &Ask, sites: &SiteSet, first: &dyn Fn(&Ask) -> Found) -> Found {
        if self.ended {
            return Ok(None);
        }
        let Some(last) = &self.last else {
            self.last = first(ask)?;
            self.ended = self.last.is_none();
            return Ok(self.last.clone());
        };
        for site in last.iter().rev().filter(|&site| !self.forced.contains(site) && !ask.must.contains(site)) {
            let before = SiteSet::below(site.index());
            let mut next = ask.clone();
            next.must.add(&last.intersection(&before));
            next.ban.add(&before.intersection(sites).difference(last));
            next.ban.insert(site);
            if let Some(found) = first(&next)? {
                self.last = Some(found.clone());
                return Ok(Some(found));
            }
        }
        self.ended = true;
        Ok(None)
    }
}

/// What is asked of an outcome besides being minimal among those that contain `pin` and avoid `ban`: to contain
/// `must` (which does not count for minimality), and to hold over `strays`.
#[derive(Clone, Default)]
struct Ask {
    pin: SiteSet,
    ban: SiteSet,
    must: SiteSet,
    strays: Option<SiteSet>,
}

impl Ask {
    fn undecided(&self, form: &Form) -> SiteSet {
        let mut open = form.sites.difference(&self.pin);
        open.subtract(&self.ban);
        open
    }

    fn without_strays(&self) -> Ask {
        Ask { strays: None, ..self.clone() }
    }

    /// Whether an outcome (of `form`, which it satisfies) holds over the strays.
    fn is_robust(&self, form: &Form, want: bool, outcome: &SiteSet) -> bool {
        let Some(strays) = &self.strays else { return true };
        form.settled(outcome, &strays.difference(outcome)) == Truth::from(want)
    }
}

/// Words looked at by splitting and comparing; splits within splits. Both only bound what tangled parts cost.
const MOST_WORDS: usize = 1 << 19;
const DEEPEST_SPLIT: usize = 100;

#[derive(Default)]
struct Search {
    words: Cell<usize>,
    depth: Cell<usize>,
}

impl Search {
    /// The first outcome of `form` (of its negation, unless `want`), over the sites of `form` only.
    fn first(&self, form: &Form, want: bool, ask: &Ask) -> Found {
        match &form.shape {
            Shape::Count(test) => Ok(first_of_count(if want { *test } else { test.negated() }, &form.sites, ask)),
            Shape::All(parts) if want => self.conjunction(form, parts, want, ask),
            Shape::Any(parts) if !want => self.conjunction(form, parts, want, ask),
            _ if !form.shared.is_empty() && ask.strays.is_some() => {
                let plain = ask.without_strays();
                self.first_robust(&plain, &form.sites, &|plain| self.first(form, want, plain), &|outcome| {
                    ask.is_robust(form, want, outcome)
                })
            }
            Shape::All(parts) | Shape::Any(parts) if form.shared.is_empty() => self.choice(form, parts, want, ask),
            Shape::All(parts) | Shape::Any(parts) => self.tangled_choice(parts, want, ask),
            Shape::Parity { parts, .. } => self.parity(form, parts, want, ask),
        }
    }

    fn conjunction(&self, form: &Form, parts: &[Form], want: bool, ask: &Ask) -> Found {
        if !form.shared.is_empty() {
            return self.tangled_conjunction(&parts.iter().collect::<Vec<_>>(), want, ask);
        }
        let mut outcome = SiteSet::new();
        for part in parts {
            let Some(found) = self.first(part, want, ask)? else { return Ok(None) };
            outcome.add(&found);
        }
        Ok(Some(outcome))
    }

    fn tangled_conjunction(&self, parts: &[&Form], want: bool, ask: &Ask) -> Found {
        let mut ask = ask.clone();
        if !propagate(parts, want, &mut ask) || !ask.must.is_disjoint(&ask.ban) {
            return Ok(None);
        }
        // Parts that are true whatever is decided about the rest tie nothing together and ask for nothing.
        let (settled, open): (Vec<&Form>, Vec<&Form>) =
            parts.iter().partition(|part| part.judge(&ask.pin, &ask.undecided(part)) == Truth::from(want));
        let mut outcome = SiteSet::new();
        for part in &settled {
            outcome.add(&part.sites.intersection(&ask.pin));
        }
        for group in groups(&open, &ask) {
            let found = match group.as_slice() {
                [part] => self.first(part, want, &ask)?,
                _ => self.tangled_group(&group, want, &ask)?,
            };
            let Some(found) = found else { return Ok(None) };
            outcome.add(&found);
        }
        let keeps = |part: &&Form| {
            ask.must.intersection(&part.sites).is_subset(&outcome)
                && ask.is_robust(part, want, &outcome.intersection(&part.sites))
        };
        Ok(settled.iter().all(keeps).then_some(outcome))
    }

    /// Parts that are tied together by undecided sites.
    fn tangled_group(&self, group: &[&Form], want: bool, ask: &Ask) -> Found {
        let sites = group.iter().fold(SiteSet::new(), |sites, part| sites.union(&part.sites));
        let pinned = ask.pin.intersection(&sites);
        if group.iter().all(|part| part.judge(&pinned, &SiteSet::new()) == Truth::from(want)) {
            let fits = |part: &&Form| ask.is_robust(part, want, &pinned.intersection(&part.sites));
            let fits = ask.must.intersection(&sites).is_subset(&pinned) && group.iter().all(fits);
            return Ok(fits.then_some(pinned));
        }
        let plain = ask.without_strays();
        let again = |ask: &Ask| self.tangled_conjunction(group, want, ask);
        if ask.strays.is_none() {
            return self.split(group, &sites, &plain, &again);
        }
        self.first_robust(&plain, &sites, &again, &|outcome| {
            group.iter().all(|part| ask.is_robust(part, want, &outcome.intersection(&part.sites)))
        })
    }

    /// The first outcome that passes a test which cannot be asked of the parts one by one.
    fn first_robust(
        &self,
        ask: &Ask,
        sites: &SiteSet,
        first: &dyn Fn(&Ask) -> Found,
        robust: &dyn Fn(&SiteSet) -> bool,
    ) -> Found {
        let mut stream = Stream::over(ask);
        while let Some(outcome) = stream.advance(ask, sites, first)? {
            if robust(&outcome) {
                return Ok(Some(outcome));
            }
            self.spend(sites)?;
        }
        Ok(None)
    }

    /// Case distinction on the first site that ties parts together. An outcome with it counts unless a smaller one
    /// without it is accepted. Sites that are written wherever it is, and nowhere else, are interchangeable with
    /// it: the first outcome that does without it does without them.
    fn split(&self, parts: &[&Form], sites: &SiteSet, ask: &Ask, first: &dyn Fn(&Ask) -> Found) -> Found {
        let Some(site) = tied(parts, ask).first() else { return first(ask) };
        self.spend(sites)?;
        if self.depth.get() >= DEEPEST_SPLIT {
            return Err(Tangled);
        }
        self.depth.set(self.depth.get() + 1);
        let found = self.split_on(site, parts, sites, ask, first);
        self.depth.set(self.depth.get() - 1);
        found
    }

    fn split_on(
        &self,
        site: SiteId,
        parts: &[&Form],
        sites: &SiteSet,
        ask: &Ask,
        first: &dyn Fn(&Ask) -> Found,
    ) -> Found {
        let mut with = ask.clone();
        with.pin.insert(site);
        let mut stream = Stream::over(&with);
        let mut best = None;
        while let Some(outcome) = stream.advance(&with, sites, first)? {
            let mut smaller = Ask { must: SiteSet::new(), ..ask.clone() };
            smaller.ban.add(&sites.difference(&outcome));
            smaller.ban.insert(site);
            if first(&smaller)?.is_none() {
                best = Some(outcome);
                break;
            }
            self.spend(sites)?;
        }
        if ask.must.contains(site) {
            return Ok(best);
        }
        let mut without = ask.clone();
        without.ban.add(&interchangeable(site, parts, ask));
        without.ban.insert(site);
        Ok(earlier(best, first(&without)?))
    }

    /// Any part will do, and no part shares a site with another.
    fn choice(&self, form: &Form, parts: &[Form], want: bool, ask: &Ask) -> Found {
        let pinned = ask.pin.intersection(&form.sites);
        if form.judge(&pinned, &SiteSet::new()) == Truth::from(want) {
            return Ok(self.pinned_only(form, want, pinned, ask));
        }
        let must = ask.must.intersection(&form.sites).difference(&pinned);
        let mut best = None;
        for part in parts.iter().filter(|part| must.is_subset(&part.sites)) {
            best = earlier(best, self.first(part, want, ask)?.map(|found| found.union(&pinned)));
        }
        Ok(best)
    }

    /// The pinned sites satisfy the form, so no other outcome is minimal.
    fn pinned_only(&self, form: &Form, want: bool, pinned: SiteSet, ask: &Ask) -> Option<SiteSet> {
        let has_all = ask.must.intersection(&form.sites).is_subset(&pinned);
        (has_all && ask.is_robust(form, want, &pinned)).then_some(pinned)
    }

    /// Any part will do, and an outcome of one part may contain an outcome of another.
    fn tangled_choice(&self, parts: &[Form], want: bool, ask: &Ask) -> Found {
        let sites = parts.iter().fold(SiteSet::new(), |sites, part| sites.union(&part.sites));
        let pinned = ask.pin.intersection(&sites);
        let must = ask.must.intersection(&sites).difference(&pinned);
        let mut best: Option<SiteSet> = None;
        for (i, part) in parts.iter().enumerate().filter(|(_, part)| must.is_subset(&part.sites)) {
            let mut stream = Stream::over(ask);
            'next: while let Some(outcome) = stream.advance(ask, &part.sites, &|ask| self.first(part, want, ask))? {
                let outcome = outcome.union(&pinned);
                if best.as_ref().is_some_and(|best| *best < outcome) {
                    break;
                }
                let mut smaller = Ask { must: SiteSet::new(), ..ask.clone() };
                smaller.ban.add(&sites.difference(&outcome));
                for (j, other) in parts.iter().enumerate() {
                    self.spend(&sites)?;
                    let found = if i == j { None } else { self.first(other, want, &smaller)? };
                    if found.is_some_and(|found| found.union(&pinned) != outcome) {
                        continue 'next;
                    }
                }
                best = earlier(best, Some(outcome));
                break;
            }
        }
        Ok(best)
    }

    /// Either the number of true parts is right already, or one part is turned over.
    fn parity(&self, form: &Form, parts: &[Form], want: bool, ask: &Ask) -> Found {
        let pinned = ask.pin.intersection(&form.sites);
        if form.judge(&pinned, &SiteSet::new()) == Truth::from(want) {
            return Ok(self.pinned_only(form, want, pinned, ask));
        }
        if !form.shared.is_empty() {
            let refs: Vec<&Form> = parts.iter().collect();
            if !tied(&refs, ask).is_empty() {
                return self.split(&refs, &form.sites, ask, &|ask| self.first(form, want, ask));
            }
        }
        let values: Vec<bool> = parts.iter().map(|part| part.judge(&pinned, &SiteSet::new()) == Truth::True).collect();
        let strays = ask.strays.as_ref().map(|strays| strays.difference(&pinned)).unwrap_or_default();
        let swaying: Vec<bool> = parts.iter().map(|part| part.judge(&pinned, &strays) == Truth::Unknown).collect();
        let must = ask.must.intersection(&form.sites).difference(&pinned);
        let mut best = None;
        for (i, part) in parts.iter().enumerate().filter(|(_, part)| must.is_subset(&part.sites)) {
            if swaying.iter().enumerate().any(|(j, &sways)| sways && i != j) {
                continue;
            }
            best = earlier(best, self.first(part, !values[i], ask)?.map(|found| found.union(&pinned)));
        }
        Ok(best)
    }

    fn spend(&self, sites: &SiteSet) -> Result<(), Tangled> {
        self.words.set(self.words.get() + 16 + sites.words());
        if self.words.get() > MOST_WORDS { Err(Tangled) } else { Ok(()) }
    }
}

fn earlier(a: Option<SiteSet>, b: Option<SiteSet>) -> Option<SiteSet> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn first_of_count(test: Test, sites: &SiteSet, ask: &Ask) -> Option<SiteSet> {
    let free = sites.difference(&ask.ban);
    let pinned = sites.intersection(&ask.pin);
    let size = test.next(pinned.len())?;
    let available = free.len();
    let mut outcome = pinned.union(&ask.must.intersection(sites));
    if size > available || outcome.len() > size || !outcome.is_subset(&free) {
        return None;
    }
    // Strays beyond the slack have to be in the outcome.
    let strays = ask.strays.as_ref().map(|strays| strays.intersection(sites)).unwrap_or_default();
    let needed = strays.len().saturating_sub(test.slack(size)).saturating_sub(strays.common(&outcome));
    let mut room = size - outcome.len();
    if needed > room || needed > strays.common(&free) - strays.common(&outcome) {
        return None;
    }
    if size == available {
        return Some(free);
    }
    let mut spare = room - needed;
    for site in free.difference(&outcome).iter() {
        if room == 0 {
            break;
        }
        let wanted = strays.contains(site) && room > spare;
        if wanted || spare > 0 {
            outcome.insert(site);
            room -= 1;
            spare -= usize::from(!wanted);
        }
    }
    Some(outcome)
}

/// Decides what the counts among the parts of a conjunction leave no choice about; false when one of the parts
/// cannot be satisfied. This never changes which outcomes there are.
fn propagate(parts: &[&Form], want: bool, ask: &mut Ask) -> bool {
    let mut again = true;
    while std::mem::take(&mut again) {
        for part in parts {
            let Shape::Count(test) = part.shape else { continue };
            let test = if want { test } else { test.negated() };
            let pinned = part.sites.common(&ask.pin);
            let available = part.sites.len() - part.sites.common(&ask.ban);
            match test.next(pinned) {
                Some(size) if size <= available => {
                    let further = test.next(pinned + 1).is_some_and(|size| size <= available);
                    if pinned < available && size == available {
                        ask.pin.add(&part.sites.difference(&ask.ban));
                        again = true;
                    } else if pinned < available && !further {
                        ask.ban.add(&part.sites.difference(&ask.pin));
                        again = true;
                    }
                }
                _ => return false,
            }
        }
    }
    true
}

/// The undecided sites that are written in more than one part.
fn tied(parts: &[&Form], ask: &Ask) -> SiteSet {
    let (mut seen, mut tied) = (SiteSet::new(), SiteSet::new());
    for part in parts {
        let open = ask.undecided(part);
        tied.add(&seen.intersection(&open));
        seen.add(&open);
    }
    tied
}

/// The parts, those that are tied together in one group.
fn groups<'a>(parts: &[&'a Form], ask: &Ask) -> Vec<Vec<&'a Form>> {
    let tied = tied(parts, ask);
    let mut groups: Vec<(SiteSet, Vec<&Form>)> = Vec::new();
    let mut alone = Vec::new();
    for &part in parts {
        let mut ties = tied.intersection(&part.sites);
        if ties.is_empty() {
            alone.push(vec![part]);
            continue;
        }
        let mut members = vec![part];
        groups.retain_mut(|(theirs, others)| {
            let apart = theirs.is_disjoint(&ties);
            if !apart {
                ties.add(theirs);
                members.append(others);
            }
            apart
        });
        groups.push((ties, members));
    }
    alone.into_iter().chain(groups.into_iter().map(|(_, members)| members)).collect()
}

/// The undecided sites that are written in exactly those counts in which `site` is.
fn interchangeable(site: SiteId, parts: &[&Form], ask: &Ask) -> SiteSet {
    fn narrow(site: SiteId, form: &Form, like: &mut Option<SiteSet>, unlike: &mut SiteSet) {
        if !matches!(form.shape, Shape::Count(_)) {
            return form.parts().iter().for_each(|part| narrow(site, part, like, unlike));
        }
        match like {
            _ if !form.sites.contains(site) => unlike.add(&form.sites),
            Some(like) => *like = like.intersection(&form.sites),
            None => *like = Some(form.sites.clone()),
        }
    }
    let (mut like, mut unlike) = (None, SiteSet::new());
    parts.iter().for_each(|part| narrow(site, part, &mut like, &mut unlike));
    let mut like = like.unwrap_or_default();
    for other in [&unlike, &ask.pin, &ask.ban, &ask.must] {
        like.subtract(other);
    }
    like
}
