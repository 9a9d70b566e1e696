//! Are two trees the same but for where they stand? Every span is set to nothing in copies of both, which are then
//! compared; so that a new part of the tree is compared without a line here, and a forgotten span shows as a
//! difference, never as a false agreement.

use crate::syntax::ast::*;

pub fn same(a: &Stmt, b: &Stmt) -> bool {
    let (mut a, mut b) = (a.clone(), b.clone());
    statement(&mut a);
    statement(&mut b);
    a == b
}

fn statement(s: &mut Stmt) {
    s.span = Span::default();
    match &mut s.kind {
        StmtKind::Expr(e) | StmtKind::Print(e) | StmtKind::Import(e) => expr(e),
        StmtKind::Let { name: n, ty: t, value } => {
            name(n);
            each(t, ty);
            expr(value);
        }
        StmtKind::Site { name: n, value, labels } => {
            name(n);
            expr(value);
            each(labels, expr);
        }
        StmtKind::Scope { name: n, entries } => {
            name(n);
            expr(entries);
        }
        StmtKind::At { scope, body } => {
            expr(scope);
            each(body, statement);
        }
        StmtKind::Fn { name: n, params, result, body } => {
            name(n);
            each(params, param);
            each(result, ty);
            each(body, statement);
        }
        StmtKind::If { arms, otherwise } => {
            for (cond, body) in arms {
                expr(cond);
                each(body, statement);
            }
            each(otherwise.iter_mut().flatten(), statement);
        }
        StmtKind::For { name: n, list, body, .. } => {
            name(n);
            expr(list);
            each(body, statement);
        }
        StmtKind::Parallel(body) | StmtKind::Atomic(body) | StmtKind::Broken(body) => each(body, statement),
        StmtKind::Try { body, name: n, otherwise } => {
            each(body, statement);
            each(n, name);
            each(otherwise, statement);
        }
        StmtKind::Assert { cond, within, why } => {
            expr(cond);
            each(within, expr);
            each(why, expr);
        }
        StmtKind::Input { name: n, ty: t, default } => {
            name(n);
            ty(t);
            each(default, expr);
        }
        StmtKind::Service(service) => {
            name(&mut service.name);
            name(&mut service.stack);
            each(&mut service.kind, expr);
            each(&mut service.lines, line);
        }
    }
}

fn each<'t, T: 't>(list: impl IntoIterator<Item = &'t mut T>, one: impl FnMut(&'t mut T)) {
    list.into_iter().for_each(one);
}

fn name(n: &mut Name) {
    n.span = Span::default();
}

fn param(p: &mut Param) {
    name(&mut p.name);
    ty(&mut p.ty);
    each(&mut p.default, expr);
    each(&mut p.parts, part);
}

fn field(f: &mut Field) {
    name(&mut f.name);
    ty(&mut f.ty);
    each(&mut f.parts, part);
}

fn ty(t: &mut Type) {
    t.span = Span::default();
    match &mut t.kind {
        TypeKind::Named(n) => name(n),
        TypeKind::List(inner) | TypeKind::Map(inner) => ty(inner),
        TypeKind::Record(fields) => each(fields, field),
    }
}

fn part(p: &mut ServicePart) {
    name(&mut p.word);
    each(&mut p.values, expr);
}

fn line(l: &mut Line) {
    l.span = Span::default();
    match &mut l.kind {
        LineKind::Clause { parts, lines } => {
            each(parts, part);
            each(lines.iter_mut().flatten(), line);
        }
        LineKind::Fields(fields) => each(fields, field),
        LineKind::Op { name: n, params, result, lines, .. } => {
            name(n);
            each(params, param);
            each(result, ty);
            each(lines, line);
        }
        LineKind::List { params, parts } => {
            each(params, param);
            each(parts, part);
        }
        LineKind::Chosen(n, value) => {
            name(n);
            expr(value);
        }
        LineKind::If { cond, then, otherwise } => {
            expr(cond);
            each(then, line);
            each(otherwise.iter_mut().flatten(), line);
        }
        LineKind::Broken(lines) => each(lines, line),
    }
}

fn expr(e: &mut Expr) {
    e.span = Span::default();
    match &mut e.kind {
        ExprKind::Name(_) | ExprKind::Literal(_) | ExprKind::Broken => {}
        ExprKind::Text(parts) => each(parts, |p| {
            if let Part::Expr(e) = p {
                expr(e);
            }
        }),
        ExprKind::Paren(inner) | ExprKind::Compose(inner) => expr(inner),
        ExprKind::Minus { of, .. } | ExprKind::Not { of, .. } => expr(of),
        ExprKind::List(items) => each(items, expr),
        ExprKind::Braces(items) => each(items, item),
        ExprKind::Path { head, suffixes } => {
            expr(head);
            each(suffixes, suffix);
        }
        ExprKind::Chain { first, rest } => {
            expr(first);
            for link in rest {
                link.at = Span::default();
                expr(&mut link.right);
            }
        }
        ExprKind::Count { k, of, .. } => {
            if let Some(k) = k {
                expr(k);
            }
            expr(of);
        }
        ExprKind::Offers(n) => name(n),
        ExprKind::Placed { of, tails } => {
            expr(of);
            each(tails, |t| match t {
                Tail::At(e) | Tail::With(e) => expr(e),
                Tail::IfAny => {}
            });
        }
        ExprKind::Query { of, clauses } => {
            expr(of);
            each(clauses, clause);
        }
    }
}

fn item(i: &mut Item) {
    match i {
        Item::Element(e) | Item::Spread(e) => expr(e),
        Item::Entry(key, value) => {
            match key {
                Key::Name(n) | Key::Text(n) => name(n),
                Key::Computed(e) => expr(e),
            }
            expr(value);
        }
        Item::Service(n, policy) => {
            name(n);
            expr(policy);
        }
        Item::Broken(span) => *span = Span::default(),
    }
}

fn suffix(s: &mut Suffix) {
    match s {
        Suffix::Field(n) => name(n),
        Suffix::Key(e) | Suffix::Index(e) => expr(e),
        Suffix::Call(args) => each(args, |a| match a {
            Arg::Positional(e) => expr(e),
            Arg::Named(n, e) => {
                name(n);
                expr(e);
            }
            Arg::Broken(span) => *span = Span::default(),
        }),
    }
}

fn clause(c: &mut Clause) {
    match c {
        Clause::Where(e) | Clause::Limit(e) => expr(e),
        Clause::Select(columns) => each(columns, |c| {
            expr(&mut c.value);
            each(&mut c.name, name);
        }),
        Clause::OrderBy(keys) => each(keys, |k| expr(&mut k.value)),
        Clause::GroupBy(keys) => each(keys, expr),
        Clause::Join { table, name: n, on } => {
            expr(table);
            each(n, name);
            expr(on);
        }
    }
}
