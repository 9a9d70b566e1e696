//! Taking a run back, all of it or what used a thing that has failed: in the reverse order of the program, each step undone as
//! `atomic` undoes it. What is open is given up and undone; what cannot be undone is said.

use super::journal::{Id, Pursued};
use super::live::{Live, title};
use super::walk::{Walk, behind};
use super::{codes, copies, effect::with_article, live::times};
use edge_lang::eval::{self, Failure, FailureKind, Given, Host, Key, Step, StepKind};
use edge_lang::program::Program;
use std::collections::HashSet;
use std::sync::Arc;

/// What was taken back, in words, and what was not.
#[derive(Default)]
pub struct Taken {
    pub said: Vec<String>,
    /// What stays, because nothing can undo it.
    pub stays: Vec<String>,
    pub failures: Vec<Failure>,
}

impl Live {
    /// The steps of the journal, and what the program ended with: as the run did, or because it comes no further now.
    async fn steps(&self, program: &Program, given: Given) -> (Vec<Step>, Option<Failure>) {
        let walk = Walk::new(self);
        let ended = eval::run(program, given, &walk).await.result;
        (walk.into_steps(), ended.err())
    }

    /// What used the thing that has failed goes first, and what is open behind it; then what is left of the thing itself. The run
    /// has failed there.
    pub async fn end_doomed(&self, program: &Program, given: Given, key: &Key) -> Result<(), Failure> {
        let (steps, _) = self.steps(program, given).await;
        let mut taken = Taken::default();
        for step in behind(&self.run, key, &steps).into_iter().rev() {
            self.take_back_step(step, &mut taken).await;
        }
        if let Some(failure) = Failure::together(taken.failures) {
            return Err(failure);
        }
        let Some(step) = steps.into_iter().find(|s| s.key == *key) else {
            return Err(Failure::new(&codes::JOURNAL, key.call, "the program does not come to what its journal tells"));
        };
        let mut result = self.change(step).await;
        if let Err(failure) = &mut result
            && !taken.said.is_empty()
        {
            failure.help.push(format!("taken back, because it was used: {}", taken.said.join(", then ")));
        }
        self.replay.note(key, &result);
        match result {
            // It is at its end: the program will come to the failure.
            Err(failure) if matches!(failure.kind, FailureKind::Failed | FailureKind::Partial) => Ok(()),
            Err(failure) => Err(failure),
            Ok(_) => Ok(()),
        }
    }

    /// Everything that the run did.
    pub async fn take_all_back(&self, program: &Program, given: Given) -> Taken {
        let mut taken = Taken::default();
        let (steps, ended) = self.steps(program, given).await;
        taken.failures.extend(self.not_come_to(&steps, ended.as_ref()));
        for step in steps.iter().rev() {
            if self.run.is_interrupted() {
                let stopped = Failure::new(&codes::INTERRUPTED, step.span, "stopped while the run was taken back");
                taken.failures.push(stopped.kind(FailureKind::Interrupted));
                break;
            }
            self.take_back_step(step, &mut taken).await;
        }
        taken
    }

    /// What the journal has of steps that the program does not come to any more, as where a file has changed: it stays.
    fn not_come_to(&self, steps: &[Step], ended: Option<&Failure>) -> Vec<Failure> {
        let come_to: HashSet<&Key> = steps.iter().map(|step| &step.key).collect();
        let left = self.run.past.pursuits.iter().filter(|(id, _)| !come_to.contains(&id.key));
        let failure = |(id, pursued): (&Id, &Pursued)| {
            let sites = pursued.stands();
            let first = sites.first().filter(|_| !pursued.begin.last)?;
            let message =
                format!("{} is not taken back: the program does not come to it any more", pursued.begin.title);
            let mut failure = Failure::new(&codes::NOT_UNDONE, id.key.call, message).kind(FailureKind::Owed);
            failure = failure.at(first, "it is there, or may be");
            failure.sites.extend(sites.iter().skip(1).map(|site| (site, "it is there, or may be".to_string())));
            Some(match ended {
                Some(why) => failure.help(format!("it ends with: {}", why.message)),
                None => failure,
            })
        };
        left.filter_map(failure).collect()
    }

    async fn take_back_step(&self, step: &Step, taken: &mut Taken) {
        let name = title(step, &self.run.inventory);
        match step.kind {
            StepKind::Read => {}
            StepKind::Final => taken.stays.push(name),
            StepKind::Copy => {
                let step = Arc::new(step.clone());
                for site in &step.placement.sites() {
                    let at = self.run.inventory.instance(site, &step.service).unwrap_or(site);
                    match copies::recall(&self.run, &step, at, times(&step)).await {
                        Ok(made) => {
                            for one in made {
                                copies::release(&self.run, one).await;
                            }
                        }
                        Err(trouble) => {
                            let message =
                                format!("what was copied for {} cannot be removed yet", with_article(&step.resource));
                            let failure = Failure::new(&codes::NOT_UNDONE, step.span, message);
                            taken.failures.push(failure.at(site, trouble.message).kind(FailureKind::Owed));
                        }
                    }
                }
            }
            StepKind::Change | StepKind::Ensure => match self.change(step.clone()).await {
                Ok(_) => match self.undo(vec![step.key.clone()]).await {
                    Ok(said) if said.is_empty() => {}
                    Ok(said) => taken.said.push(said),
                    Err(failure) => taken.failures.push(failure),
                },
                Err(failure) if matches!(failure.kind, FailureKind::Failed | FailureKind::Partial) => {}
                Err(failure) => taken.failures.push(failure),
            },
        }
    }
}
