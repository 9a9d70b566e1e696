//! A pursuit as the journal holds it. Sites of equal belief are one entry, so that 100,000 of them are a line.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Belief, Goal, Pursuit, Rules, State};
use crate::model::placement::Placement;
use crate::model::set::SiteSet;
use crate::model::site::SiteId;

#[derive(Serialize, Deserialize)]
struct Record {
    placement: Placement,
    preference: Vec<SiteId>,
    rules: Rules,
    goal: Mark,
    beliefs: Vec<(Belief, SiteSet)>,
}

/// The goal, by site.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mark {
    Pursuing,
    Failing,
    Failed,
    Done(SiteSet),
}

impl Serialize for Pursuit {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut beliefs: BTreeMap<Belief, SiteSet> = BTreeMap::new();
        for (rank, &site) in self.aim.outcomes.order().iter().enumerate() {
            beliefs.entry(self.beliefs.get(SiteId::at(rank))).or_default().insert(site);
        }
        let goal = match &self.goal {
            Goal::Pursuing => Mark::Pursuing,
            Goal::Failing => Mark::Failing,
            Goal::Failed => Mark::Failed,
            Goal::Done(outcome) => Mark::Done(self.aim.outcomes.sites_of(outcome)),
        };
        Record {
            placement: self.placement.clone(),
            preference: self.preference.clone(),
            rules: self.rules,
            goal,
            beliefs: beliefs.into_iter().collect(),
        }
        .serialize(out)
    }
}

/// What is read back is as it was written, probes and fences that were out excepted. A runner that reads it after a
/// stop says so with [`Pursuit::crash`].
impl<'de> Deserialize<'de> for Pursuit {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Pursuit, D::Error> {
        let record = Record::deserialize(input)?;
        let mut pursuit = Pursuit::new(record.placement, record.preference, record.rules).map_err(D::Error::custom)?;
        let mut told = SiteSet::new();
        for (belief, sites) in &record.beliefs {
            for site in sites {
                let rank = pursuit.rank(site).map_err(D::Error::custom)?;
                pursuit.beliefs.set(rank, *belief);
            }
            told.add(sites);
        }
        if told != pursuit.placement.sites() {
            return Err(D::Error::custom("the beliefs of a pursuit leave out sites of its placement"));
        }
        pursuit.goal = match record.goal {
            Mark::Pursuing => Goal::Pursuing,
            Mark::Failing => Goal::Failing,
            Mark::Failed => Goal::Failed,
            Mark::Done(outcome) => {
                let ranks = pursuit.aim.outcomes.ranks_of(&outcome);
                let there = pursuit.beliefs.among(&[State::There, State::Stuck]);
                if ranks.len() != outcome.len() || !ranks.is_subset(&there) {
                    return Err(D::Error::custom("a verdict names sites at which nothing is"));
                }
                Goal::Done(ranks)
            }
        };
        Ok(pursuit)
    }
}
