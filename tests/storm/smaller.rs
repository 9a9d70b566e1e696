//! A case that is wrong, made smaller: with one thing less, for each thing that it can do without.

use super::program::{Case, Statement, makes};
use std::time::Duration;

impl Case {
    /// The case with one thing less, for each thing that it can do without.
    pub fn smaller(&self) -> Vec<Case> {
        let mut all = Vec::new();
        for i in 0..count(&self.statements) {
            let mut case = self.clone();
            remove(&mut case.statements, &mut (i as i64));
            prune(&mut case.statements);
            if !makes(&case.statements).is_empty() {
                all.push(case);
            }
        }
        for i in 0..self.weather.len() {
            let mut case = self.clone();
            case.weather.remove(i);
            all.push(case);
        }
        for i in 0..self.before.len() {
            let mut case = self.clone();
            case.before.remove(i);
            all.push(case);
        }
        if self.stop.is_some() {
            all.push(Case { stop: None, ..self.clone() });
        }
        for i in 0..self.troubles.len() {
            let mut case = self.clone();
            case.troubles.remove(i);
            all.push(case);
        }
        if !self.rest.is_zero() {
            all.push(Case { rest: Duration::ZERO, ..self.clone() });
        }
        if !self.slow_disk.is_zero() {
            all.push(Case { slow_disk: Duration::ZERO, ..self.clone() });
        }
        if self.latency > 0 {
            all.push(Case { latency: 0, ..self.clone() });
        }
        for i in 0..self.sites {
            let mut case = self.clone();
            let (build, linger) = (&mut case.build[i], &mut case.linger[i]);
            if !build.is_zero() || !linger.is_zero() {
                (*build, *linger) = (Duration::ZERO, Duration::ZERO);
                all.push(case);
            }
        }
        all
    }
}

fn count(statements: &[Statement]) -> usize {
    let of = |statement: &Statement| match statement {
        Statement::Atomic(_, body) => count(body),
        Statement::Try(body, other) => count(body) + count(other),
        _ => 0,
    };
    statements.iter().map(|statement| 1 + of(statement)).sum()
}

/// Removes the statement that comes at this place, counted from the front, blocks before what is in them.
fn remove(statements: &mut Vec<Statement>, place: &mut i64) {
    let mut i = 0;
    while i < statements.len() && *place >= 0 {
        if *place == 0 {
            statements.remove(i);
            *place = -1;
            return;
        }
        *place -= 1;
        match &mut statements[i] {
            Statement::Atomic(_, body) => remove(body, place),
            Statement::Try(body, other) => {
                remove(body, place);
                remove(other, place);
            }
            _ => {}
        }
        i += 1;
    }
}

/// Without uses of what is not made any more, and without empty blocks.
fn prune(statements: &mut Vec<Statement>) {
    let made: Vec<u32> = makes(statements).iter().map(|m| m.number).collect();
    fn within(statements: &mut Vec<Statement>, made: &[u32]) {
        for statement in statements.iter_mut() {
            match statement {
                Statement::Make(make) => make.net = make.net.filter(|net| made.contains(net)),
                Statement::Atomic(_, body) => within(body, made),
                Statement::Try(body, other) => {
                    within(body, made);
                    within(other, made);
                }
                _ => {}
            }
        }
        statements.retain(|statement| match statement {
            Statement::Halt(number) | Statement::Delete(number, _) => made.contains(number),
            Statement::Atomic(_, body) => !body.is_empty(),
            Statement::Try(body, _) => !body.is_empty(),
            _ => true,
        });
    }
    within(statements, &made);
}
