//! Statements and blocks.

use super::known::{Known, Typed};
use super::names::Unused;
use super::{Checker, Usage, codes};
use crate::diagnostic::Diagnostic;
use crate::program::{Block, Expr, Input, Statement, StatementKind};
use crate::span::Span;
use crate::syntax::ast::{self, StmtKind};
use crate::types::Type;

/// What becomes of the value of a block's last statement.
#[derive(Clone, Debug)]
pub(super) enum Last {
    Dropped,
    /// A function gives it back, as this type where one is declared.
    Result(Option<Type>),
}

impl Checker<'_> {
    /// A whole file: its sites first, then its functions' names, then the statements in order.
    pub(super) fn file(&mut self, program: &ast::Block, unused: Unused, out: &mut Block) {
        for statement in program {
            if let StmtKind::Site { name, value, labels } = &statement.kind {
                self.declare_site(name, value, labels.as_ref());
            }
        }
        self.hoist(program);
        let mut dead = Dead::default();
        for statement in program {
            dead.judge(self, statement);
            match &statement.kind {
                StmtKind::Import(path) => self.import(path, out),
                StmtKind::Input { name, ty, default } => self.input(statement.span, name, ty, default.as_ref(), out),
                StmtKind::Let { name, ty, value } => {
                    self.let_statement(statement, name, ty.as_ref(), value, unused, out)
                }
                StmtKind::Site { .. } | StmtKind::Service(_) => {}
                StmtKind::Scope { name, entries } => self.scope_statement(statement, name, entries, unused, out),
                _ => _ = self.statement(statement, &Last::Dropped, out),
            }
        }
    }

    /// A block with names of its own, and the type of its value.
    pub(super) fn block(&mut self, block: &ast::Block, last: &Last) -> (Block, Type) {
        self.block_of_names(|c| c.statements(block, last))
    }

    pub(super) fn statements(&mut self, block: &ast::Block, last: &Last) -> (Block, Type) {
        let mut out = Vec::with_capacity(block.len());
        let mut ty = Type::Nothing;
        self.hoist(block);
        let mut dead = Dead::default();
        for (i, statement) in block.iter().enumerate() {
            dead.judge(self, statement);
            let here = if i + 1 == block.len() { last } else { &Last::Dropped };
            ty = self.statement(statement, here, &mut out);
        }
        (out, ty)
    }

    /// One statement, and the type of its value for a block that ends with it.
    fn statement(&mut self, statement: &ast::Stmt, last: &Last, out: &mut Block) -> Type {
        let span = statement.span;
        let mut push = |kind| out.push(Statement { kind, span });
        match &statement.kind {
            StmtKind::Expr(e) => {
                let (usage, wanted) = match last {
                    Last::Dropped => (if self.is_session() { Usage::Value } else { Usage::Dropped }, None),
                    Last::Result(wanted) => (Usage::Result, wanted.as_ref()),
                };
                let typed = self.used_as(usage, |c| c.expr(e, wanted));
                let nothing = *typed.ty() == Type::Nothing;
                let (typed, ty) = match wanted {
                    // Said of the whole body, by `function`.
                    Some(_) if nothing => (typed, Type::Nothing),
                    Some(wanted) => (self.coerce(typed, wanted, "the result"), wanted.clone()),
                    None => {
                        let ty = typed.expr.ty.clone();
                        (typed, ty)
                    }
                };
                push(StatementKind::Expr(typed.expr));
                return ty;
            }
            StmtKind::Let { name, ty, value } => {
                self.let_statement(statement, name, ty.as_ref(), value, Unused::Warn, out);
            }
            StmtKind::Scope { name, entries } => {
                self.scope_statement(statement, name, entries, Unused::Warn, out);
            }
            StmtKind::At { scope, body } => {
                let (scope, known) = self.scope_around(scope);
                let merged = self.scope.merge(&known);
                let outer = std::mem::replace(&mut self.scope, merged);
                let (body, ty) = self.block(body, last);
                self.scope = outer;
                push(StatementKind::At { scope, body });
                return ty;
            }
            StmtKind::Fn { name, params, result, body } => self.function(name, params, result.as_ref(), body, span),
            StmtKind::If { arms, otherwise } => {
                let (kind, ty) = self.if_statement(arms, otherwise.as_ref(), last);
                push(kind);
                return ty;
            }
            StmtKind::For { parallel, name, list, body } => {
                let list = self.expr(list, None);
                let (ty, list) = self.element(list);
                let (slot, body) = self.block_of_names(|c| {
                    let slot = c.declare(name, ty, Known::Nothing, Unused::Fine);
                    (slot, c.statements(body, &Last::Dropped).0)
                });
                push(StatementKind::For { parallel: *parallel, slot, name: name.text.clone(), list, body });
            }
            StmtKind::Parallel(body) => push(StatementKind::Parallel(self.block(body, &Last::Dropped).0)),
            StmtKind::Atomic(body) => {
                let outer = std::mem::replace(&mut self.atomic, true);
                let (body, ty) = self.block(body, last);
                self.atomic = outer;
                push(StatementKind::Atomic(body));
                return ty;
            }
            StmtKind::Try { body, name, otherwise } => {
                let (body, _) = self.block(body, &Last::Dropped);
                let (slot, otherwise) = self.block_of_names(|c| {
                    let slot = name.as_ref().map(|n| c.declare(n, Type::Failure, Known::Nothing, Unused::Fine));
                    (slot, c.statements(otherwise, &Last::Dropped).0)
                });
                push(StatementKind::Try { body, slot, otherwise });
            }
            StmtKind::Assert { cond, within, why } => {
                let cond = self.condition(cond);
                let within = within.as_ref().map(|e| self.expect(e, &Type::Duration, "the time after `within`").expr);
                let why = why.as_ref().map(|e| self.expect(e, &Type::String, "the reason").expr);
                push(StatementKind::Assert { cond: cond.expr, within, why });
            }
            StmtKind::Print(e) => {
                let typed = self.expr(e, None);
                match typed.ty() {
                    Type::Secret => self.error(&codes::SECRET_SHOWN, typed.span(), "a secret is never printed"),
                    Type::Nothing => self.gives_nothing(typed.span()),
                    _ => {}
                }
                push(StatementKind::Print(typed.expr));
            }
            StmtKind::Site { name, .. } => self.only_at_top(name.span, "a site is declared"),
            StmtKind::Import(path) => self.only_at_top(path.span, "an import stands"),
            StmtKind::Input { name, .. } => self.only_at_top(name.span, "an input is declared"),
            StmtKind::Service(service) => self.only_at_top(service.name.span, "a service is described"),
            StmtKind::Broken(_) => self.broken = true,
        }
        Type::Nothing
    }

    fn only_at_top(&mut self, span: Span, what: &str) {
        self.error(&codes::ONLY_AT_TOP, span, format!("{what} at the top of a file, outside all blocks"));
    }

    pub(super) fn gives_nothing(&mut self, span: Span) {
        self.report(
            Diagnostic::new(&codes::GIVES_NOTHING, span, "this gives no value")
                .help("it stands as a statement of its own, without `let` or `print`"),
        );
    }

    fn let_statement(
        &mut self,
        statement: &ast::Stmt,
        name: &ast::Name,
        ty: Option<&ast::Type>,
        value: &ast::Expr,
        unused: Unused,
        out: &mut Block,
    ) {
        // Without the word `let` it is one that the parser has complained of.
        let unused = if statement.span.start == name.span.start { Unused::Fine } else { unused };
        let wanted = ty.map(|t| self.annotation(t));
        let mut typed = self.expr(value, wanted.as_ref());
        if let Some(wanted) = &wanted {
            typed = self.coerce(typed, wanted, &format!("`{}`", name.text));
        } else if *typed.ty() == Type::Nothing {
            self.gives_nothing(typed.span());
            typed.expr.ty = Type::Error;
        }
        // After a mistake the declared type is the better guess.
        let ty = match &wanted {
            Some(wanted) => wanted.clone(),
            None => typed.expr.ty.clone(),
        };
        let Typed { expr, known } = typed;
        let slot = self.declare(name, ty, known, unused);
        out.push(Statement {
            kind: StatementKind::Let { slot, name: name.text.clone(), value: expr },
            span: statement.span,
        });
    }

    fn scope_statement(
        &mut self,
        statement: &ast::Stmt,
        name: &ast::Name,
        entries: &ast::Expr,
        unused: Unused,
        out: &mut Block,
    ) {
        let (value, known) = self.scope_literal(entries);
        let slot = self.declare(name, Type::Scope, Known::Scope(known), unused);
        let kind = StatementKind::Let { slot, name: name.text.clone(), value };
        out.push(Statement { kind, span: statement.span });
    }

    fn input(&mut self, span: Span, name: &ast::Name, ty: &ast::Type, default: Option<&ast::Expr>, _: &mut Block) {
        let ty = self.annotation(ty);
        let settable = |t: &Type| {
            matches!(
                t,
                Type::Bool
                    | Type::Int
                    | Type::Float
                    | Type::String
                    | Type::Duration
                    | Type::Bytes
                    | Type::Percent
                    | Type::File
                    | Type::Secret
                    | Type::Site
                    | Type::Sites
                    | Type::Any
                    | Type::Error
            )
        };
        let ok = match ty.present() {
            Type::List(of) => settable(of),
            one => settable(one),
        };
        if !ok {
            let message = format!("an input cannot be {}: it is given as text, by `--var`", super::a(&ty));
            self.report(
                Diagnostic::new(&codes::INPUT_TYPE, name.span, message)
                    .help("`Any` takes records, too; a file is read by `json(read(\"file.json\"))`"),
            );
        }
        let default = default.map(|e| self.expect(e, &ty, &format!("`{}`", name.text)).expr);
        let slot = self.declare(name, ty.clone(), Known::Nothing, Unused::Warn);
        self.state.inputs.push(Input { name: name.text.clone(), slot, ty, default, doc: String::new(), span });
    }

    fn if_statement(
        &mut self,
        arms: &[(ast::Expr, ast::Block)],
        otherwise: Option<&ast::Block>,
        last: &Last,
    ) -> (StatementKind, Type) {
        let mut typed = Vec::new();
        let mut ty: Option<Type> = None;
        let mut decided: Option<Span> = None;
        let mut join = |t: Type| {
            ty = Some(match ty.take() {
                None | Some(Type::Error) => t,
                Some(u) if u == t || t == Type::Error => u,
                Some(Type::Null) if t != Type::Nothing => Type::optional(t),
                Some(u) if t == Type::Null && u != Type::Nothing => Type::optional(u),
                Some(u) if u == Type::optional(t.clone()) => u,
                Some(u) if t == Type::optional(u.clone()) => t,
                Some(_) => Type::Nothing,
            });
        };
        for (cond, body) in arms {
            let cond = self.condition(cond);
            let never = match (decided, &cond.known) {
                (Some(_), _) => decided,
                (None, Known::Bool(false)) => Some(cond.span()),
                _ => None,
            };
            self.warn_dead_block(never, body);
            if let Known::Bool(true) = cond.known {
                decided = decided.or(Some(cond.span()));
            }
            let (body, t) = self.block(body, last);
            join(t);
            typed.push((cond.expr, body));
        }
        let otherwise = otherwise.map(|body| {
            self.warn_dead_block(decided, body);
            let (body, t) = self.block(body, last);
            join(t);
            body
        });
        let ty = if otherwise.is_some() { ty.unwrap_or(Type::Nothing) } else { Type::Nothing };
        (StatementKind::If { arms: typed, otherwise }, ty)
    }

    fn warn_dead_block(&mut self, why: Option<Span>, body: &ast::Block) {
        if let (Some(why), Some(first)) = (why, body.first()) {
            self.report(
                Diagnostic::new(&codes::UNREACHABLE, first.span, "this never runs")
                    .other(why, "because of this condition"),
            );
        }
    }

    /// What a loop gives its variable, and the list with what it needs to be looped over.
    fn element(&mut self, list: Typed) -> (Type, Expr) {
        let ty = match list.ty() {
            Type::Error => Type::Error,
            Type::Any => Type::Any,
            Type::List(of) => (**of).clone(),
            Type::Site | Type::Sites => Type::Site,
            Type::Replicated(resource) => Type::Handle(resource.clone()),
            Type::Table(columns) => {
                let mut row = (**columns).clone();
                row.insert(super::name("site"), Type::Site);
                Type::Record(row.into())
            }
            other => {
                let mut d = Diagnostic::new(
                    &codes::NOT_A_LIST,
                    list.span(),
                    format!("`for` goes over a list, a set of sites or a table, but this is `{other}`"),
                );
                if matches!(other, Type::Choice | Type::Placement) {
                    d = d.help("`minimal(...)` lists the outcomes of a placement");
                }
                self.report(d);
                Type::Error
            }
        };
        let list = if *list.ty() == Type::Site { super::annotations::converted(list, &Type::Sites) } else { list };
        (ty, list.expr)
    }

    pub(super) fn condition(&mut self, e: &ast::Expr) -> Typed {
        self.expect(e, &Type::Bool, "a condition")
    }

    pub(super) fn used_as<T>(&mut self, usage: Usage, inside: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.usage, usage);
        let result = inside(self);
        self.usage = outer;
        result
    }

    fn is_session(&self) -> bool {
        self.mode == super::Mode::Session
    }
}

/// What follows `assert false` never runs; said once.
#[derive(Default)]
struct Dead {
    because: Option<Span>,
}

impl Dead {
    fn judge(&mut self, c: &mut Checker<'_>, statement: &ast::Stmt) {
        let declares = matches!(statement.kind, StmtKind::Fn { .. } | StmtKind::Site { .. } | StmtKind::Service(_));
        if let Some(why) = self.because
            && !declares
        {
            self.because = None;
            c.report(
                Diagnostic::new(&codes::UNREACHABLE, statement.span, "this never runs")
                    .other(why, "this always stops the program"),
            );
        }
        if let StmtKind::Assert { cond, .. } = &statement.kind
            && matches!(cond.kind, ast::ExprKind::Literal(ast::Literal::Bool(false)))
        {
            self.because = Some(statement.span);
        }
    }
}
