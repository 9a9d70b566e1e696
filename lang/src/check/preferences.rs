//! `prefer`: a rule, or a function of the program or of the library that says of each site where it stands.

use super::names::SymbolKind;
use super::{Checker, codes, listed};
use crate::diagnostic::{Diagnostic, nearest};
use crate::eval::Prefer;
use crate::program::FunctionId;
use crate::span::Span;
use crate::syntax::ast::{self, StmtKind};
use crate::types::{Name, Type};

const RULES: [(&str, Prefer); 3] =
    [("written", Prefer::Written), ("inventory", Prefer::Inventory), ("latency", Prefer::Latency)];

impl Checker<'_> {
    pub(super) fn preference(&mut self, value: &ast::Expr) -> Option<Prefer> {
        if let ast::ExprKind::Name(name) = &value.kind {
            if let Some(id) = self.function_of_name(name) {
                return self.judge_preference(id, name, value.span).then(|| Prefer::By(id, name.clone(), value.span));
            }
            if let Some((_, rule)) = RULES.iter().find(|(rule, _)| *rule == &**name) {
                return Some(rule.clone());
            }
            if let Some(id) = self.library_function(name) {
                return Some(Prefer::By(id, name.clone(), value.span));
            }
        }
        match &value.kind {
            ast::ExprKind::Broken => {}
            // A call gives one value, and a function is asked for.
            ast::ExprKind::Path { head, suffixes }
                if matches!(&suffixes[..], [ast::Suffix::Call(_)]) && self.is_function(head) =>
            {
                let name = head.as_name().map_or(Name::default(), |n| n.text.clone());
                let message = "`prefer` takes a function, and this is a call of one";
                self.report(
                    Diagnostic::new(&codes::BAD_POLICY, value.span, message)
                        .help(format!("drop the arguments, `prefer: {name}`: it is called for each site")),
                );
            }
            _ => self.report_no_preference(value),
        }
        None
    }

    fn is_function(&self, e: &ast::Expr) -> bool {
        e.as_name().is_some_and(|name| self.function_of_name(&name.text).is_some())
    }

    fn function_of_name(&self, name: &str) -> Option<FunctionId> {
        match self.state.names.find(name)?.kind {
            SymbolKind::Function(id) => Some(id),
            SymbolKind::Variable { .. } => None,
        }
    }

    fn report_no_preference(&mut self, value: &ast::Expr) {
        let library = self.library;
        // Files that the program reads describe services, too.
        let foreign = |name: &&str| self.function_of_name(name).is_none();
        let functions = || library.functions.iter().filter_map(|s| name_of(&s.kind)).filter(foreign);
        let known: Vec<&str> = RULES.iter().map(|(rule, _)| *rule).chain(functions()).collect();
        let message = format!("`prefer` is one of {}, or a function that takes a site", listed(&known, 8));
        let mut d = Diagnostic::new(&codes::BAD_POLICY, value.span, message);
        let written = match &value.kind {
            ast::ExprKind::Name(name) => Some(&**name),
            _ => value.as_text(),
        };
        let own = self.state.signatures.iter().map(|s| &*s.name);
        if let Some(text) = written {
            if value.as_text().is_some_and(|t| known.contains(&t) || self.function_of_name(t).is_some()) {
                d = d.help(format!("drop the quotes: `{text}`"));
            } else if let Some(near) = nearest(text, known.iter().copied().chain(own)) {
                d = d.help(format!("did you mean `{near}`?"));
            }
        }
        self.report(d);
    }

    /// Whether the function takes a site, only reads, and gives something that has an order.
    fn judge_preference(&mut self, id: FunctionId, name: &str, span: Span) -> bool {
        let signature = self.state.signatures[id.0 as usize].clone();
        let wrong = if !signature.checked {
            self.report(
                Diagnostic::new(&codes::CALLED_BEFORE, span, format!("`{name}` is used before it is defined"))
                    .other(signature.span, "defined here")
                    .help("move the definition above"),
            );
            return false;
        } else if signature.changes || self.state.changing.contains(&id) {
            Some(("changes something, and is called to choose a site".to_string(), "let it only read".to_string()))
        } else if !takes_a_site(&signature) {
            let help = format!("it is called with a site alone: `fn {name}(site: Site) -> Int {{ ... }}`");
            Some(("cannot be called with a site".to_string(), help))
        } else if !signature.result.as_ref().is_some_and(has_order) {
            let result = match &signature.result {
                None | Some(Type::Nothing) => "nothing".to_string(),
                Some(ty) => format!("`{ty}`"),
            };
            let help = "let it give a number, a text, a time or a size: the least comes first".to_string();
            Some((format!("gives {result}, which has no order"), help))
        } else if let Some(need) = signature.needs.first() {
            let service = &need.service;
            let help = "say it in the function: `@ site` after the operation".to_string();
            Some((format!("leaves open at which site its `{service}` is"), help))
        } else {
            None
        };
        let Some((what, help)) = wrong else { return true };
        self.report(
            Diagnostic::new(&codes::BAD_PREFERENCE, span, format!("`{name}` {what}"))
                .other(signature.span, "defined here")
                .help(help),
        );
        false
    }

    /// A function that the library defines, checked when it is first used; it sees no names of the program.
    fn library_function(&mut self, name: &str) -> Option<FunctionId> {
        if let Some(id) = self.state.library_functions.get(name) {
            return Some(*id);
        }
        let library = self.library;
        let statement = library.functions.iter().find(|s| name_of(&s.kind) == Some(name))?;
        let StmtKind::Fn { name: declared, params, result, body } = &statement.kind else { return None };
        let names = std::mem::take(&mut self.state.names);
        let block = std::mem::take(&mut self.state.block);
        let id = FunctionId(self.state.signatures.len() as u32);
        self.hoist(std::slice::from_ref(statement));
        self.function(declared, params, result.as_ref(), body, statement.span);
        self.state.names = names;
        self.state.block = block;
        self.state.library_functions.insert(declared.text.clone(), id);
        Some(id)
    }
}

fn name_of(statement: &StmtKind) -> Option<&str> {
    match statement {
        StmtKind::Fn { name, .. } => Some(&name.text),
        _ => None,
    }
}

fn takes_a_site(signature: &super::functions::Signature) -> bool {
    let Some((first, rest)) = signature.params.split_first() else { return false };
    matches!(first.ty.present(), Type::Site | Type::Any | Type::Error) && rest.iter().all(|p| p.optional)
}

fn has_order(ty: &Type) -> bool {
    use Type::{Any, Bool, Bytes, Duration, Error, Float, Int, Percent, Site, String};
    matches!(ty.present(), Any | Bool | Bytes | Duration | Error | Float | Int | Percent | Site | String)
}
