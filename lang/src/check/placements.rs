//! Counting forms, and what is wrong with a placement as soon as its sites are known.

use super::annotations::converted;
use super::expressions::poison;
use super::known::{Form, Known, Place, Typed};
use super::{Checker, codes, listed};
use crate::diagnostic::Diagnostic;
use crate::model::{Placement, Satisfiability, SiteSet};
use crate::program::{CountForm, Expr, ExprKind};
use crate::span::Span;
use crate::syntax::ast;
use crate::types::Type;
use std::sync::Arc;

impl Checker<'_> {
    pub(super) fn count_form(&mut self, form: ast::Form, k: Option<&ast::Expr>, of: &ast::Expr, span: Span) -> Typed {
        let form = count_form_of(form);
        let k = k.map(|k| {
            let typed = self.part(k, None);
            let allowed = match typed.ty() {
                Type::Int | Type::Any | Type::Error => true,
                Type::Percent => form == CountForm::AllBut,
                _ => false,
            };
            if !allowed {
                let message = format!("so many sites are counted by an `Int`, and this is `{}`", typed.ty());
                let mut d = Diagnostic::new(&codes::BAD_COUNT, typed.span(), message);
                if *typed.ty() == Type::Percent {
                    d = d.help("a share of a set is taken by `all but 10% of ...`");
                }
                self.report(d);
                return poison(typed.span());
            }
            if matches!(typed.known, Known::Int(n) if n < 0) {
                self.error(&codes::BAD_COUNT, typed.span(), "a number of sites is not negative");
                return poison(typed.span());
            }
            typed
        });
        let set = self.part(of, Some(&Type::Sites));
        if set.is_error() || k.as_ref().is_some_and(Typed::is_error) {
            return poison(span);
        }
        if !matches!(set.ty(), Type::Site | Type::Sites | Type::Any) {
            let mut d = Diagnostic::new(
                &codes::NOT_A_SET,
                set.span(),
                format!("`{}` takes a set of sites, and this is `{}`", words(form), set.ty()),
            );
            match set.ty() {
                Type::Choice | Type::Placement => {
                    d = d.help("a set is written `{A, B}`, or `A | B`");
                }
                Type::Table(_) | Type::Replicated(_) => {
                    d = d.help("its sites are `.present`, `.absent`, `.unknown` and `.sites`");
                }
                Type::List(_) => d = d.help("a set is written `{A, B}`"),
                _ => {}
            }
            self.report(d);
            return poison(span);
        }
        let known = match (set.known.sites(), k.as_ref().map(|k| &k.known)) {
            (Some(set), None) => Some(counted(form, 0, (*set).clone())),
            (Some(set), Some(Known::Int(n))) => usize::try_from(*n).ok().map(|n| counted(form, n, (*set).clone())),
            (Some(set), Some(Known::Percent(p))) => {
                let n = share(set.len(), *p);
                Some(counted(form, n, (*set).clone()))
            }
            _ => None,
        };
        let one = k.as_ref().is_some_and(|k| matches!(k.known, Known::Int(1)));
        let single = form == CountForm::AnyOf || (form == CountForm::Exactly && one);
        let known = match known {
            Some(placement) => Known::Placement(Arc::new(placement)),
            None => Known::Form(Form {
                negates: form == CountForm::NoneOf,
                chooses: !matches!(form, CountForm::AllOf | CountForm::AllBut),
            }),
        };
        let of = Box::new(converted(set, &Type::Sites).expr);
        let kind = ExprKind::Count { form, k: k.map(|k| Box::new(k.expr)), of };
        let ty = if single { Type::Choice } else { Type::Placement };
        Typed { expr: Expr { kind, ty, span }, known }
    }

    /// Whether an operation can be placed so at all. False where it was reported: then nothing more is said of it.
    pub(super) fn judge_placement(&mut self, place: &Place, if_any: bool) -> bool {
        let Some(placement) = &place.placement else { return true };
        match outcome_of(placement) {
            Outcome::Fine => true,
            Outcome::Empty => {
                if if_any {
                    return true;
                }
                self.report(
                    Diagnostic::new(&codes::EMPTY_PLACEMENT, place.span, "there is no site in this placement")
                        .help("where nothing to do is fine, write `if any` after it"),
                );
                false
            }
            Outcome::Unsatisfiable => {
                let mut d = Diagnostic::new(&codes::UNSATISFIABLE, place.span, "no outcome satisfies this placement");
                if let Some((k, n)) = too_many(placement) {
                    let sites = super::functions::counted(n, "site");
                    d = Diagnostic::new(
                        &codes::UNSATISFIABLE,
                        place.span,
                        format!("{k} sites are asked for, and the set has {sites}"),
                    );
                } else if let Some((all, without)) = taken_away(placement) {
                    let names = |set: &SiteSet| self.names_of(set);
                    d = d.help(format!(
                        "all of them but {}: `{{{}}} - {}`",
                        names(&without).join(" and "),
                        names(&all).join(", "),
                        match without.len() {
                            1 => names(&without).join(""),
                            _ => format!("{{{}}}", names(&without).join(", ")),
                        }
                    ));
                }
                self.report(d);
                false
            }
            Outcome::AcceptsNothing => {
                self.report(
                    Diagnostic::new(
                        &codes::ACCEPTS_NOTHING,
                        place.span,
                        "doing nothing satisfies this placement, so nothing would be done",
                    )
                    .help("say where it is to be, too: `all of ...`, `any of ...`, `at least 1 of ...`"),
                );
                false
            }
            Outcome::Tangled => {
                self.report(
                    Diagnostic::new(
                        &codes::TANGLED,
                        place.span,
                        "the parts of this placement share too many sites to be searched",
                    )
                    .help("split it into several operations, or use one counting form"),
                );
                false
            }
        }
    }

    pub(super) fn names_of(&self, set: &SiteSet) -> Vec<String> {
        set.iter().map(|s| self.state.inventory.name(s).to_string()).collect()
    }

    pub(super) fn some_names(&self, set: &SiteSet) -> String {
        let some: Vec<&str> = set.iter().take(5).map(|s| self.state.inventory.name(s)).collect();
        match set.len() {
            n if n > 5 => format!("{} and {} more", listed(&some[..4], 4), n - 4),
            _ => listed(some, 5),
        }
    }
}

fn count_form_of(form: ast::Form) -> CountForm {
    match form {
        ast::Form::AllOf => CountForm::AllOf,
        ast::Form::AnyOf => CountForm::AnyOf,
        ast::Form::NoneOf => CountForm::NoneOf,
        ast::Form::Exactly => CountForm::Exactly,
        ast::Form::AtLeast => CountForm::AtLeast,
        ast::Form::AtMost => CountForm::AtMost,
        ast::Form::AllBut => CountForm::AllBut,
    }
}

fn words(form: CountForm) -> &'static str {
    match form {
        CountForm::AllOf => "all of",
        CountForm::AnyOf => "any of",
        CountForm::NoneOf => "none of",
        CountForm::Exactly => "exactly ... of",
        CountForm::AtLeast => "at least ... of",
        CountForm::AtMost => "at most ... of",
        CountForm::AllBut => "all but ... of",
    }
}

fn counted(form: CountForm, k: usize, set: SiteSet) -> Placement {
    match form {
        CountForm::AllOf => Placement::AllOf(set),
        CountForm::AnyOf => Placement::AnyOf(set),
        CountForm::NoneOf => Placement::NoneOf(set),
        CountForm::Exactly => Placement::Exactly(k, set),
        CountForm::AtLeast => Placement::AtLeast(k, set),
        CountForm::AtMost => Placement::AtMost(k, set),
        CountForm::AllBut => Placement::AllBut(k, set),
    }
}

/// So many of `of` sites are `percent`, rounded down.
pub(super) fn share(of: usize, percent: f64) -> usize {
    // 7% of 100 is 7, though 0.07 * 100.0 is a little more and 0.29 * 100.0 a little less than what is meant.
    (of as f64 * percent / 100.0 + 1e-9).floor().clamp(0.0, of as f64) as usize
}

enum Outcome {
    Fine,
    Empty,
    Unsatisfiable,
    AcceptsNothing,
    Tangled,
}

/// The usual forms are judged at sight; the others by the search for a first outcome.
fn outcome_of(placement: &Placement) -> Outcome {
    match placement {
        Placement::Site(_) => Outcome::Fine,
        Placement::AllOf(set) | Placement::AnyOf(set) if set.is_empty() => Outcome::Empty,
        Placement::AllOf(_) | Placement::AnyOf(_) => Outcome::Fine,
        Placement::Exactly(_, set) | Placement::AtLeast(_, set) | Placement::AllBut(_, set) if set.is_empty() => {
            Outcome::Empty
        }
        Placement::AllBut(n, set) if *n >= set.len() => Outcome::AcceptsNothing,
        Placement::Exactly(0, _) | Placement::AtLeast(0, _) => Outcome::AcceptsNothing,
        Placement::Exactly(k, set) | Placement::AtLeast(k, set) if *k > set.len() => Outcome::Unsatisfiable,
        Placement::Exactly(..) | Placement::AtLeast(..) | Placement::AllBut(..) => Outcome::Fine,
        Placement::AtMost(..) | Placement::NoneOf(_) => Outcome::AcceptsNothing,
        _ => match placement.satisfiability() {
            Satisfiability::Fine => Outcome::Fine,
            Satisfiability::Unsatisfiable => Outcome::Unsatisfiable,
            Satisfiability::AcceptsNothing if placement.sites().is_empty() => Outcome::Empty,
            Satisfiability::AcceptsNothing => Outcome::AcceptsNothing,
            Satisfiability::Tangled => Outcome::Tangled,
        },
    }
}

fn too_many(placement: &Placement) -> Option<(usize, usize)> {
    match placement {
        Placement::Exactly(k, set) | Placement::AtLeast(k, set) => Some((*k, set.len())),
        _ => None,
    }
}

/// `A && B && C && !B`: the sites asked for, and those of them that are taken away.
fn taken_away(placement: &Placement) -> Option<(SiteSet, SiteSet)> {
    let Placement::And(parts) = placement else { return None };
    let (mut all, mut without) = (SiteSet::new(), SiteSet::new());
    let mut open: Vec<&Placement> = parts.iter().collect();
    while let Some(part) = open.pop() {
        match part {
            Placement::Site(s) => _ = all.insert(*s),
            Placement::AllOf(set) => all.add(set),
            Placement::NoneOf(set) => without.add(set),
            Placement::And(parts) => open.extend(parts),
            Placement::Not(inner) => match &**inner {
                Placement::Site(s) => _ = without.insert(*s),
                _ => return None,
            },
            _ => return None,
        }
    }
    let without = without.intersection(&all);
    (!without.is_empty() && without.len() < all.len() && all.len() <= 12).then_some((all, without))
}

/// The sites at which a placement may put something: those under an even number of negations.
pub(super) fn positive_sites(placement: &Placement) -> SiteSet {
    fn gather(placement: &Placement, positive: bool, out: &mut SiteSet) {
        match placement {
            Placement::Site(s) if positive => _ = out.insert(*s),
            Placement::Site(_) => {}
            Placement::AllOf(set) | Placement::AnyOf(set) | Placement::AtLeast(_, set) | Placement::AllBut(_, set) => {
                if positive {
                    out.add(set);
                }
            }
            Placement::NoneOf(set) | Placement::AtMost(_, set) => {
                if !positive {
                    out.add(set);
                }
            }
            Placement::Exactly(_, set) => out.add(set),
            Placement::And(parts) | Placement::Or(parts) => parts.iter().for_each(|p| gather(p, positive, out)),
            // Each part may be true or false.
            Placement::Xor(parts) => parts.iter().for_each(|p| {
                gather(p, true, out);
                gather(p, false, out);
            }),
            Placement::Not(part) => gather(part, !positive, out),
        }
    }
    let mut out = SiteSet::new();
    gather(placement, true, &mut out);
    out
}
