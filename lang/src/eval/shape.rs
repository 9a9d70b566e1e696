//! What can be said of an expression without evaluating it: its parts, whether it can reach the host, how deep it is.
//! Walks keep their own stack: a chain of operators is as long as a line.

use crate::program::*;

/// The direct parts, in the order in which they are evaluated.
pub(super) fn parts(expr: &Expr) -> Vec<&Expr> {
    let mut out = Vec::new();
    match &expr.kind {
        ExprKind::Const(_) | ExprKind::Slot(_) | ExprKind::Global(_) | ExprKind::Here => {}
        ExprKind::Text(pieces) => out.extend(pieces.iter().filter_map(|p| match p {
            Piece::Text(_) => None,
            Piece::Value(e) => Some(e),
        })),
        ExprKind::List(es) | ExprKind::SiteSet(es) | ExprKind::Placement(_, es) => out.extend(es),
        ExprKind::Call { args, .. } | ExprKind::Builtin { args, .. } => out.extend(args),
        ExprKind::Record(items) => {
            for item in items {
                match item {
                    RecordItem::Member(_, e) | RecordItem::Spread(e) => out.push(e),
                    RecordItem::Computed(k, e) => out.extend([k, e]),
                }
            }
        }
        ExprKind::Scope(scope) => scope_parts(scope, &mut out),
        ExprKind::Field { of, .. } | ExprKind::Unary { of, .. } | ExprKind::Convert(of) => out.push(of),
        ExprKind::Offers { site, .. } | ExprKind::Label { site, .. } => out.push(site),
        ExprKind::Index { of, index } => out.extend([&**of, &**index]),
        ExprKind::AtSite { of, site } => out.extend([&**of, &**site]),
        ExprKind::NamedSites { of, names } => out.extend([&**of, &**names]),
        ExprKind::FilterSites { of, cond, .. } => out.extend([&**of, &**cond]),
        ExprKind::Binary { left, right, .. } => out.extend([&**left, &**right]),
        ExprKind::Count { k, of, .. } => {
            out.extend(k.as_deref());
            out.push(of);
        }
        ExprKind::Operation(op) => {
            out.extend(op.args.values());
            out.extend(op.scope.as_ref());
            out.extend(op.at.as_ref());
            policy_parts(&op.policy, &mut out);
        }
        ExprKind::Query(query) => {
            out.push(&query.of);
            for clause in &query.clauses {
                match clause {
                    Clause::Where(e) | Clause::Limit(e) => out.push(e),
                    Clause::Select(columns) => out.extend(columns.iter().map(|(_, e)| e)),
                    Clause::OrderBy(keys) => out.extend(keys.iter().map(|(e, _)| e)),
                    Clause::GroupBy { keys, select } => {
                        out.extend(keys.iter().map(|(_, e)| e));
                        out.extend(select.iter().filter_map(|(_, a)| aggregate_part(a)));
                    }
                    Clause::Join { table, on, .. } => out.extend([table, on]),
                }
            }
        }
        ExprKind::Within { scope, of } => out.extend([&**scope, &**of]),
    }
    out
}

pub(super) fn aggregate_part(aggregate: &Aggregate) -> Option<&Expr> {
    match aggregate {
        Aggregate::Key(_) | Aggregate::Count => None,
        Aggregate::Sum(e) | Aggregate::Min(e) | Aggregate::Max(e) | Aggregate::Average(e) => Some(e),
    }
}

/// `build_scope` takes the values in this order.
fn scope_parts<'a>(scope: &'a ScopeExpr, out: &mut Vec<&'a Expr>) {
    for entry in scope.entries.iter().map(|(_, entry)| entry).chain(&scope.everywhere) {
        out.extend(entry.at.as_ref());
        policy_parts(&entry.policy, out);
    }
    out.extend(scope.identity.as_ref());
    out.extend(scope.tenant.as_ref());
}

/// `build_policy` takes the values in this order.
pub(super) fn policy_parts<'a>(policy: &'a PolicyExpr, out: &mut Vec<&'a Expr>) {
    out.extend([&policy.timeout, &policy.tenant, &policy.overlap, &policy.parallel].into_iter().flatten());
}

fn any(expr: &Expr, wanted: impl Fn(&Expr) -> bool) -> bool {
    let mut left = vec![expr];
    while let Some(expr) = left.pop() {
        if wanted(expr) {
            return true;
        }
        left.extend(parts(expr));
    }
    false
}

/// Whether evaluating it needs a future: it may reach the host, or loops.
pub(super) fn needs_host(expr: &Expr) -> bool {
    any(expr, |e| {
        matches!(
            e.kind,
            ExprKind::Operation(_)
                | ExprKind::Call { .. }
                | ExprKind::Query(_)
                | ExprKind::FilterSites { .. }
                | ExprKind::Within { .. }
        )
    })
}

pub(super) fn uses_here(expr: &Expr) -> bool {
    any(expr, |e| matches!(e.kind, ExprKind::Here))
}

/// The variables that it reads, its own rows included.
pub(super) fn slots(expr: &Expr) -> Vec<Slot> {
    let mut found = Vec::new();
    let mut left = vec![expr];
    while let Some(expr) = left.pop() {
        if let ExprKind::Slot(slot) = expr.kind {
            found.push(slot);
        }
        left.extend(parts(expr));
    }
    found
}

/// How deeply a function's body nests. Chains of operators do not count: they are evaluated in a loop.
pub(super) fn nesting(body: &Block) -> u32 {
    let (mut deepest, mut blocks, mut exprs) = (0, vec![(body, 1)], Vec::new());
    while let Some((block, depth)) = blocks.pop() {
        for statement in block {
            let inner = depth + 1;
            match &statement.kind {
                StatementKind::Expr(e) | StatementKind::Print(e) | StatementKind::Let { value: e, .. } => {
                    exprs.push((e, inner));
                }
                StatementKind::At { scope: e, body } | StatementKind::For { list: e, body, .. } => {
                    exprs.push((e, inner));
                    blocks.push((body, inner));
                }
                StatementKind::If { arms, otherwise } => {
                    for (cond, body) in arms {
                        exprs.push((cond, inner));
                        blocks.push((body, inner));
                    }
                    blocks.extend(otherwise.iter().map(|b| (b, inner)));
                }
                StatementKind::Parallel(body) | StatementKind::Atomic(body) => blocks.push((body, inner)),
                StatementKind::Try { body, otherwise, .. } => blocks.extend([(body, inner), (otherwise, inner)]),
                StatementKind::Assert { cond, within, why } => {
                    exprs.push((cond, inner));
                    exprs.extend(within.iter().chain(why).map(|e| (e, inner)));
                }
            }
            deepest = deepest.max(inner);
        }
    }
    while let Some((expr, depth)) = exprs.pop() {
        deepest = deepest.max(depth);
        match &expr.kind {
            ExprKind::Binary { left, right, .. } => exprs.extend([(&**left, depth), (&**right, depth + 1)]),
            _ => exprs.extend(parts(expr).into_iter().map(|e| (e, depth + 1))),
        }
    }
    deepest
}
