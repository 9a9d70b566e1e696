//! What every history must keep:
//!
//! - P1: once `done` is told with outcome W, W is there and the formula is true, whatever late requests still do; once
//!   `failed` is told, nothing is there;
//! - P2: never two effects of the operation at one site;
//! - P3: whatever exists or is on its way is in the told outcome or under an open entry of the journal; when all is
//!   healed the world is exactly the told outcome and nothing is owed;
//! - P4: with sites that answer, every history ends in done or failed: no dead end, no cycle;
//! - P5: a site is written to only if an outcome needs it, probed or undone only if this operation was sent there;
//! - P6: without overlap there is at no moment more than some accepted outcome.

use edge_lang::model::{Action, Fence, Overlap, Placement, State};

use crate::oracle::{Mask, satisfies};
use crate::packed::Goal;
use crate::world::{Mutant, Site, World};

pub struct Promises {
    world: World,
    /// Sites inside `all but n of`, which a verdict leaves as they are, unless broken.
    spared: Mask,
    /// By set of sites: whether it is accepted, and whether it is within something that is.
    accepted: Vec<bool>,
    within: Vec<bool>,
    /// Sites without which some accepted outcome is none, and those that `all but n of` attempts.
    needed: Mask,
}

impl Promises {
    pub fn of(formula: &Placement, world: World, spared: Mask) -> Promises {
        let all: Mask = (1 << formula.sites().len()) - 1;
        let accepted: Vec<bool> = (0..=all).map(|outcome| satisfies(formula, outcome)).collect();
        let within = |here: Mask| (0..=all).any(|w| accepted[w as usize] && here & !w == 0);
        let needs =
            |site: Mask| (0..=all).any(|w| w & site != 0 && accepted[w as usize] && !accepted[(w ^ site) as usize]);
        let within = (0..=all).map(within).collect();
        let needed =
            (0..formula.sites().len()).map(|i| 1 << i).filter(|&site| needs(site)).fold(spared, |all, site| all | site);
        Promises { world, spared, accepted, within, needed }
    }

    /// Whether the runner may do this at a site.
    pub fn permits(&self, action: &Action, site: usize, before: Site) -> Result<(), String> {
        match action {
            Action::Send(_) if self.needed >> site & 1 == 0 => {
                Err("P5: sent to a site that no outcome needs".to_string())
            }
            Action::Send(_) => Ok(()),
            _ if before.belief.state.is_closed() => Err("P5: touched a site that was never asked".to_string()),
            _ => Ok(()),
        }
    }

    /// All that is wrong in this single state.
    pub fn complaints(&self, sites: &[Site], told: Goal) -> Vec<String> {
        let (mut here, mut wrong): (Mask, Vec<String>) = (0, Vec::new());
        for (i, site) in sites.iter().enumerate() {
            let mine = matches!(told, Goal::Done(outcome) if outcome >> i & 1 == 1);
            let state = site.belief.state;
            let seen = matches!(state, State::There | State::Stuck);
            if site.effects > 1 {
                wrong.push("P2: two effects at one site".to_string());
            }
            if state.is_closed() && (site.effects > 0 || site.creates > 0) {
                wrong.push("P3: it is there, or may still come, and the journal says absent".to_string());
            }
            if seen && site.effects == 0 {
                wrong.push("P3: the journal says there, and it is not".to_string());
            }
            if mine && (!seen || site.broken) {
                wrong.push("P1: part of the told outcome is in doubt".to_string());
            }
            // An open entry of the journal looks after it.
            let watched =
                self.world.rules.fence == Fence::Watch && told != Goal::Pursuing && !mine && !state.is_closed();
            if site.effects > 0 && !(watched && self.world.mutant != Mutant::NoWatchExcused) {
                here |= 1 << i;
            }
        }
        match told {
            Goal::Done(told) if told & !here != 0 || !self.accepted[here as usize] => {
                wrong.push(format!("P1: told done {told:b}, the world is {here:b}"));
            }
            Goal::Failed if here != 0 => wrong.push(format!("P1: told failed, the world is {here:b}")),
            _ => {}
        }
        let rules = self.world.rules;
        let excused = rules.overlap == Overlap::Brief || rules.ensure || rules.fence == Fence::Watch;
        let promised = self.world.mutant == Mutant::NoOverlapExcused || !excused;
        if promised && !self.within[here as usize] {
            wrong.push(format!("P6: {here:b} is there, more than any accepted outcome"));
        }
        wrong
    }

    /// Nothing left to do, and nothing owed.
    pub fn is_final(&self, sites: &[Site], told: Goal) -> bool {
        let keep = match told {
            Goal::Pursuing => return false,
            Goal::Done(told) => told,
            Goal::Failing | Goal::Failed => 0,
        };
        sites.iter().enumerate().all(|(i, site)| {
            let kept = keep >> i & 1 == 1;
            if !kept && keep != 0 && self.spared >> i & 1 == 1 {
                return !site.broken && !site.belief.state.is_awaited();
            }
            let watched = self.world.rules.fence == Fence::Watch && site.belief.state == State::Soft;
            site.effects == u8::from(kept) && site.creates == 0 && (kept || site.belief.state.is_closed() || watched)
        })
    }
}
