//! Expressions. Arguments, lists and braces break at their brackets; chains before their operators; a placement before
//! `@`; a query before its clauses.

use super::cursor::{Cursor, Docs};
use super::doc::Doc;
use super::statements::Between;
use crate::syntax::ast::*;
use crate::syntax::token::{Class, Tok, class};

impl<'a> Cursor<'a> {
    pub fn expr(&mut self, e: &Expr, out: &mut Docs<'a>) {
        match &e.kind {
            ExprKind::Name(_) | ExprKind::Literal(_) => self.take(out),
            ExprKind::Text(_) => self.verbatim(e.span, out),
            ExprKind::Paren(inner) => {
                self.take(out);
                let mut docs = Vec::new();
                self.trailing(&mut docs);
                self.expr(inner, &mut docs);
                self.comments(&mut docs);
                out.push(Doc::Nest(docs));
                self.take(out);
            }
            ExprKind::List(items) => {
                if items.len() > 1 && items.iter().all(is_atom) {
                    self.filled(items, out);
                } else {
                    self.list(items, out, |c, item, out| c.expr(item, out));
                }
            }
            ExprKind::Braces(items) => self.braces(items, out),
            ExprKind::Compose(inner) => {
                self.word(out);
                self.expr(inner, out);
            }
            ExprKind::Path { head, suffixes } => self.path(head, suffixes, out),
            ExprKind::Minus { times, of } | ExprKind::Not { times, of } => {
                for _ in 0..*times {
                    self.take(out);
                }
                self.expr(of, out);
            }
            ExprKind::Chain { first, rest } => {
                self.expr(first, out);
                let mut links = Vec::new();
                for link in rest {
                    self.link(link, &mut links);
                }
                // Where no line ends, nothing is indented: `list each { ... }`.
                if links.iter().any(|d| matches!(d, Doc::Line)) {
                    out.push(Doc::Group(vec![Doc::Nest(links)]));
                } else {
                    out.extend(links);
                }
            }
            ExprKind::Count { k, of, .. } => {
                self.word(out);
                if let Some(k) = k {
                    self.expr(k, out);
                    out.push(Doc::Space);
                    self.word(out);
                }
                self.expr(of, out);
            }
            ExprKind::Offers(_) => {
                self.word(out);
                self.take(out);
            }
            ExprKind::Placed { of, tails } => {
                self.expr(of, out);
                for tail in tails {
                    let mut docs = Vec::new();
                    match tail {
                        Tail::At(e) | Tail::With(e) => {
                            self.word(&mut docs);
                            self.expr(e, &mut docs);
                        }
                        Tail::IfAny => self.take(&mut docs),
                    }
                    out.push(Doc::Continue(docs));
                }
            }
            ExprKind::Query { of, clauses } => {
                self.expr(of, out);
                let mut docs = Vec::new();
                for clause in clauses {
                    docs.push(Doc::Line);
                    self.clause(clause, &mut docs);
                }
                out.push(Doc::Group(vec![Doc::Nest(docs)]));
            }
            ExprKind::Broken => {}
        }
    }

    fn link(&mut self, link: &Link, out: &mut Docs<'a>) {
        // A line that begins with `each` begins a clause, and `in` and `like` read better where they stand.
        out.push(if matches!(link.op, Op::Each | Op::In | Op::Like) { Doc::Space } else { Doc::Line });
        self.word(out);
        self.expr(&link.right, out);
    }

    fn clause(&mut self, clause: &Clause, out: &mut Docs<'a>) {
        self.word(out);
        match clause {
            Clause::Where(e) | Clause::Limit(e) => self.expr(e, out),
            Clause::Select(columns) => self.columns(columns, out, |c, column, out| {
                c.expr(&column.value, out);
                if column.name.is_some() {
                    out.push(Doc::Space);
                    c.word(out);
                    c.take(out);
                }
            }),
            Clause::OrderBy(keys) => self.columns(keys, out, |c, key, out| {
                c.expr(&key.value, out);
                if matches!(c.peek(), Some(Tok::Asc | Tok::Desc)) {
                    out.push(Doc::Space);
                    c.take(out);
                }
            }),
            Clause::GroupBy(keys) => self.columns(keys, out, |c, key, out| c.expr(key, out)),
            Clause::Join { table, name, on } => {
                self.expr(table, out);
                out.push(Doc::Space);
                if name.is_some() {
                    self.word(out);
                    self.word(out);
                }
                self.word(out);
                self.expr(on, out);
            }
        }
    }

    fn columns<T>(&mut self, list: &[T], out: &mut Docs<'a>, one: impl Fn(&mut Self, &T, &mut Docs<'a>)) {
        let mut docs = Vec::new();
        for (n, column) in list.iter().enumerate() {
            if n > 0 {
                self.take(&mut docs);
                self.trailing(&mut docs);
                docs.push(Doc::FillLine);
            }
            one(self, column, &mut docs);
        }
        out.push(Doc::Nest(docs));
    }

    fn path(&mut self, head: &Expr, suffixes: &[Suffix], out: &mut Docs<'a>) {
        self.expr(head, out);
        // A long chain of calls has a line for each call after the first.
        let calls = suffixes.iter().filter(|s| matches!(s, Suffix::Call(_))).count();
        let mut chain = Vec::new();
        let mut called = false;
        for suffix in suffixes {
            let docs = if called && calls > 2 { &mut chain } else { &mut *out };
            match suffix {
                Suffix::Field(_) | Suffix::Key(_) => {
                    if called && calls > 2 {
                        docs.push(Doc::SoftLine);
                    }
                    self.take(docs);
                    match suffix {
                        Suffix::Key(key) => self.expr(key, docs),
                        _ => self.take(docs),
                    }
                }
                Suffix::Call(args) => {
                    self.args(args, docs);
                    called = true;
                }
                Suffix::Index(index) => {
                    self.take(docs);
                    self.expr(index, docs);
                    self.comments(docs);
                    self.take(docs);
                }
            }
        }
        if !chain.is_empty() {
            out.push(Doc::Group(vec![Doc::Nest(chain)]));
        }
    }

    fn args(&mut self, args: &[Arg], out: &mut Docs<'a>) {
        let one = |c: &mut Self, arg: &Arg, out: &mut Docs<'a>| match arg {
            Arg::Positional(e) => c.expr(e, out),
            Arg::Named(_, e) => {
                c.take(out);
                c.word(out);
                c.expr(e, out);
            }
            Arg::Broken(_) => {}
        };
        // Braces that come last break instead of the arguments: `f("name", { ... })`.
        let hugs = match (last_braces(args), self.bracket()) {
            (Some(span), Some((open, close))) => {
                !self.comment_between(open, span.start) && !self.comment_between(span.end, close)
            }
            _ => false,
        };
        if !hugs {
            self.list(args, out, one);
            return;
        }
        self.take(out);
        for (n, arg) in args.iter().enumerate() {
            if n > 0 {
                out.push(Doc::Text(","));
                out.push(Doc::Space);
            }
            one(self, arg, out);
            self.skip_comma();
        }
        self.take(out);
    }

    /// `(a, b)` or `[a, b]`: on one line, or a line for each.
    pub fn list<T>(&mut self, items: &[T], out: &mut Docs<'a>, one: impl Fn(&mut Self, &T, &mut Docs<'a>)) {
        self.bracketed(items, Doc::Line, out, one);
    }

    /// As `list`, with as many on a line as fit.
    fn filled(&mut self, items: &[Expr], out: &mut Docs<'a>) {
        self.bracketed(items, Doc::FillLine, out, |c, item, out| c.expr(item, out));
    }

    fn bracketed<T>(
        &mut self,
        items: &[T],
        line: Doc<'static>,
        out: &mut Docs<'a>,
        one: impl Fn(&mut Self, &T, &mut Docs<'a>),
    ) {
        let fill = matches!(line, Doc::FillLine);
        let mut docs = Vec::new();
        self.take(&mut docs);
        let mut inner = Vec::new();
        self.trailing(&mut inner);
        if !items.is_empty() || self.comment_ahead() || !inner.is_empty() {
            inner.push(Doc::SoftLine);
        }
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                inner.push(if fill { Doc::FillLine } else { Doc::Line });
            }
            one(self, item, &mut inner);
            self.skip_comma();
            if n + 1 < items.len() {
                inner.push(Doc::Text(","));
            } else {
                inner.push(Doc::IfBroken { broken: ",", flat: "" });
            }
            self.trailing(&mut inner);
        }
        if self.comment_ahead() {
            inner.push(Doc::SoftLine);
            self.comments(&mut inner);
        }
        let empty = inner.is_empty();
        docs.push(Doc::Nest(inner));
        if !empty {
            docs.push(Doc::SoftLine);
        }
        self.take(&mut docs);
        out.push(Doc::Group(docs));
    }

    fn braces(&mut self, items: &[Item], out: &mut Docs<'a>) {
        let set = items.iter().all(|i| matches!(i, Item::Element(_)));
        let atoms = items.iter().all(|i| matches!(i, Item::Element(e) if is_atom(e)));
        if set && !items.is_empty() && (atoms || !self.line_ends_after_next()) {
            let line = if atoms { Doc::FillLine } else { Doc::Line };
            self.bracketed(items, line, out, |c, item, out| c.item(item, out));
            return;
        }
        // A line that begins with `-` or `where` would go on with the one before.
        let begins_line = |item: &Item| match item {
            Item::Entry(..) | Item::Spread(_) => true,
            Item::Service(name, _) => class(&name.text) == Class::Plain,
            Item::Element(_) | Item::Broken(_) => false,
        };
        let between = if items.iter().all(begins_line) { Between::Entries } else { Between::Commas };
        let spread = self.line_ends_after_next() && (!items.is_empty() || self.holds_comment());
        let mut docs = Vec::new();
        self.braced(items, between, &mut docs, |c, item, out| c.item(item, out));
        out.push(if spread { Doc::Broken(docs) } else { Doc::Group(docs) });
    }

    pub fn item(&mut self, item: &Item, out: &mut Docs<'a>) {
        match item {
            Item::Element(e) => self.expr(e, out),
            Item::Entry(key, value) => {
                match key {
                    Key::Name(_) => self.take(out),
                    Key::Text(name) => self.verbatim(name.span, out),
                    Key::Computed(e) => self.expr(e, out),
                }
                self.word(out);
                self.expr(value, out);
            }
            Item::Service(_, policy) => {
                self.word(out);
                self.expr(policy, out);
            }
            Item::Spread(e) => {
                self.take(out);
                self.expr(e, out);
            }
            Item::Broken(_) => {}
        }
    }
}

/// A name, a number, a short string: several of them stand on a line.
fn is_atom(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Name(_) | ExprKind::Literal(_) => true,
        ExprKind::Text(parts) => matches!(&parts[..], [Part::Text(text)] if text.len() < 30),
        ExprKind::Path { head, suffixes } => is_atom(head) && suffixes.iter().all(|s| matches!(s, Suffix::Field(_))),
        ExprKind::Minus { of, .. } => is_atom(of),
        _ => false,
    }
}

/// How wide an argument is that holds neither brackets nor line ends.
fn short_width(arg: &Arg) -> Option<u32> {
    match arg {
        Arg::Positional(e) if is_atom(e) => Some(e.span.end - e.span.start + 2),
        Arg::Named(name, e) if is_atom(e) => Some(name.span.end - name.span.start + e.span.end - e.span.start + 4),
        _ => None,
    }
}

/// The last argument, if it may break instead of the arguments.
fn last_braces(args: &[Arg]) -> Option<Span> {
    let (last, before) = args.split_last()?;
    let (Arg::Positional(e) | Arg::Named(_, e)) = last else { return None };
    let breaks = match e.kind {
        ExprKind::Braces(_) => true,
        ExprKind::List(_) => before.is_empty(),
        _ => false,
    };
    let width: Option<u32> = before.iter().map(short_width).sum();
    (breaks && width.is_some_and(|w| w < 60)).then_some(e.span)
}
