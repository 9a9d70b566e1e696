//! Approval covers the effects that the plan showed. What is more is asked for when it is about to be sent, or stops there.

use super::codes;
use super::trouble::Trouble;
use edge_lang::eval::Step;
use edge_lang::model::SiteSet;
use edge_lang::plan::{Action, Beyond, Plan, PlannedEffect};
use futures_util::future::BoxFuture;
use std::sync::Arc;

fn unapproved(why: String) -> Trouble {
    Trouble::refused(why).code(&codes::NOT_APPROVED)
}

pub trait Approval: Send + Sync {
    /// Whether this effect may be sent; if not, why.
    fn effect<'a>(&'a self, step: &'a Step, effect: &'a PlannedEffect) -> BoxFuture<'a, Result<(), Trouble>>;
}

/// Asks the user: true is yes.
pub type Ask = Arc<dyn Fn(&str) -> bool + Send + Sync>;

pub struct ByPlan {
    pub plan: Plan,
    /// `None` under `--yes`: nobody is there to be asked.
    pub ask: Option<Ask>,
    /// How an effect is described to the user.
    pub describe: Box<dyn Fn(&Step, &PlannedEffect) -> String + Send + Sync>,
    pub asking: tokio::sync::Mutex<()>,
}

impl Approval for ByPlan {
    fn effect<'a>(&'a self, step: &'a Step, effect: &'a PlannedEffect) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let beyond = match self.plan.approve(&step.key, effect) {
                Ok(()) => return Ok(()),
                Err(beyond) => beyond,
            };
            // Of a placement with more outcomes than a plan lists, the formula was shown, and so every site of it.
            let shown = |action: &Action, more_from: &SiteSet| match action {
                Action::Copy { from, .. } => more_from.contains(*from),
                _ => true,
            };
            let listed_in_part = self
                .plan
                .steps()
                .any(|(_, s)| s.key == step.key && s.more && s.later.is_none() && shown(&effect.action, &s.brings));
            if beyond == Beyond::Site && listed_in_part && step.placement.sites().contains(effect.site) {
                return Ok(());
            }
            let Some(ask) = &self.ask else {
                let why = unapproved(format!("it was not approved: {}", beyond.words()));
                return Err(
                    why.help("plan it again: what can be known now is in the plan; without --yes it is asked about")
                );
            };
            let _one_at_a_time = self.asking.lock().await;
            let question = format!("{} ({}). Do it?", (self.describe)(step, effect), beyond.words());
            let ask = ask.clone();
            // On a thread of its own: the other sites go on meanwhile.
            let approved = tokio::task::spawn_blocking(move || ask(&question)).await.unwrap_or(false);
            if approved { Ok(()) } else { Err(unapproved("it was not approved".into())) }
        })
    }
}

/// An entry of the REPL under `:auto on`, and programs of tests.
pub struct Everything;

impl Approval for Everything {
    fn effect<'a>(&'a self, _: &'a Step, _: &'a PlannedEffect) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
