//! A pursuit as its journal tells it, entry after entry. What a runner that stopped has lost is always an end of the
//! journal, so that whatever can be read is a history that was.

use serde::{Deserialize, Serialize};

use super::{Action, Belief, Goal, Impossible, Pursuit, State};
use crate::model::set::SiteSet;
use crate::model::site::SiteId;

/// What an entry of a journal says of a pursuit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A request leaves for the site.
    Sent(SiteId),
    /// A removal leaves for the site.
    Undoing(SiteId),
    /// Something was observed, and since then the site stands so.
    Stands(SiteId, Belief),
    Failing,
    Failed,
    Done(SiteSet),
}

impl Pursuit {
    /// Takes in the next entry. Only sends, removals and verdicts must have been written, so a request may leave a site of
    /// which nothing was written since the last one; then nothing of it is believed that would be better than silence. A
    /// removal of what is in the verdict says that all of the operation is taken back.
    pub fn recall(&mut self, mark: &Mark) -> Result<(), Impossible> {
        let rules = self.rules;
        match mark {
            Mark::Sent(site) => {
                let rank = self.rank(*site)?;
                let was = self.beliefs.get(rank);
                let unclosed = Belief { state: State::Sent, loose: true, ..was };
                self.beliefs.set(rank, was.after(&Action::Send(*site), &rules).unwrap_or(unclosed));
            }
            Mark::Undoing(site) => {
                let rank = self.rank(*site)?;
                let was = self.beliefs.get(rank);
                if let Goal::Done(verdict) = &self.goal
                    && verdict.contains(rank)
                {
                    self.aim.spare_nothing();
                }
                let next = was.after(&Action::Undo(*site), &rules);
                self.beliefs.set(rank, next.unwrap_or(Belief { state: State::Undoing, ..was }));
            }
            Mark::Stands(site, belief) => self.believe(*site, *belief)?,
            Mark::Failing if self.goal == Goal::Pursuing => self.goal = Goal::Failing,
            Mark::Failing => {}
            Mark::Failed => self.goal = Goal::Failed,
            Mark::Done(outcome) => {
                self.issued(&Action::Done(outcome.clone()))?;
            }
        }
        Ok(())
    }

    /// Whether a verdict was told; nothing is sent any more.
    pub fn is_told(&self) -> bool {
        matches!(self.goal, Goal::Done(_) | Goal::Failed)
    }

    /// No outcome is left, or none is wanted any more: from now on all of it is only removed. A verdict that was told stays.
    pub fn is_failing(&self) -> bool {
        matches!(self.goal, Goal::Failing | Goal::Failed)
    }
}
