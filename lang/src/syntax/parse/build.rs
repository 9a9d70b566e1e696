//! What the grammar's actions need: the text, a place for complaints, and builders that keep the tree flat.

use super::literal;
use super::text::{self, Piece};
use crate::diagnostic::{Code, Diagnostic};
use crate::span::FileId;
use crate::syntax::ast::*;
use crate::syntax::codes;
use std::collections::HashSet;

pub struct Build<'s> {
    pub(super) file: FileId,
    pub(super) source: &'s str,
    pub(super) noted: Vec<Noted>,
    /// What was said about an expression, by where it begins: looking for it in the expression would be quadratic.
    said: HashSet<(usize, Said)>,
    /// What `let` names, or was meant to.
    named: HashSet<std::sync::Arc<str>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Said {
    /// Its chain of this level mixes operators.
    Mixed(u8),
    HasPlacement,
    HasTwo,
}

pub(super) struct Noted {
    pub diagnostic: Diagnostic,
    /// The grammar found something it did not expect; else the complaint knows what it is about.
    pub by_grammar: bool,
}

impl<'s> Build<'s> {
    pub fn new(file: FileId, source: &'s str) -> Build<'s> {
        Build { file, source, noted: Vec::new(), said: HashSet::new(), named: HashSet::new() }
    }

    pub fn span(&self, l: usize, r: usize) -> Span {
        Span::new(self.file, l, r)
    }

    pub(super) fn note(&mut self, code: &'static Code, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.noted.push(Noted { diagnostic: Diagnostic::new(code, span, message), by_grammar: false });
        &mut self.noted.last_mut().expect("just pushed").diagnostic
    }

    pub fn name(&self, l: usize, r: usize) -> Name {
        Name { text: self.source[l..r].trim_matches('`').into(), span: self.span(l, r) }
    }

    /// A clause word; the two of a pair may stand apart.
    pub fn word(&self, l: usize, r: usize) -> Name {
        let text = &self.source[l..r];
        let text = if text.contains(char::is_whitespace) {
            text.split_whitespace().collect::<Vec<_>>().join(" ").into()
        } else {
            text.into()
        };
        Name { text, span: self.span(l, r) }
    }

    pub fn expr(&self, l: usize, kind: ExprKind, r: usize) -> Expr {
        Expr { kind, span: self.span(l, r) }
    }

    pub fn literal(&mut self, l: usize, r: usize) -> Expr {
        let span = self.span(l, r);
        let kind = match literal::value(&self.source[l..r]) {
            Ok(value) => ExprKind::Literal(value),
            Err(problem) => {
                self.note(problem.code, span, problem.message).help.extend(problem.help);
                ExprKind::Broken
            }
        };
        Expr { kind, span }
    }

    /// `"text"`, or `"""text"""`.
    pub fn plain_text(&mut self, l: usize, r: usize) -> Expr {
        let mut texts = self.texts(&[(l, r)]);
        self.expr(l, ExprKind::Text(vec![Part::Text(texts.pop().unwrap_or_default())]), r)
    }

    /// `"head${first}middle${e}tail"`; each place is that of a token, with its quotes and brackets.
    pub fn pieces(
        &mut self,
        head: (usize, usize),
        first: Expr,
        middles: Vec<((usize, usize), Expr)>,
        tail: (usize, usize),
    ) -> Expr {
        let mut places = vec![head];
        let mut exprs = vec![first];
        for (place, e) in middles {
            places.push(place);
            exprs.push(e);
        }
        places.push(tail);
        let mut parts = Vec::with_capacity(places.len() + exprs.len());
        let mut exprs = exprs.into_iter();
        for text in self.texts(&places) {
            parts.push(Part::Text(text));
            parts.extend(exprs.next().map(Part::Expr));
        }
        parts.retain(|p| !matches!(p, Part::Text(t) if t.is_empty()));
        self.expr(head.0, ExprKind::Text(parts), tail.1)
    }

    /// The values of the pieces of one string.
    fn texts(&mut self, places: &[(usize, usize)]) -> Vec<String> {
        let source = self.source;
        let pieces: Vec<Piece> = places.iter().map(|(l, r)| Piece { at: *l, raw: &source[*l..*r] }).collect();
        let (values, problems) = text::values(&pieces);
        for problem in problems {
            let span = self.span(problem.start, problem.end);
            self.note(&codes::BAD_ESCAPE, span, problem.message).help.push(text::ESCAPES.into());
        }
        values
    }

    /// `"key": value`
    pub fn text_key(&mut self, key: Expr) -> Key {
        match key.as_text() {
            Some(text) => Key::Text(Name { text: text.into(), span: key.span }),
            None => Key::Computed(key),
        }
    }

    /// Adds to a chain of one level. A mix that people read differently is reported once, and kept as written.
    pub fn chain(&mut self, l: usize, first: Expr, op: (usize, Op, usize), right: Expr, r: usize) -> Expr {
        let (m, op, n) = op;
        let link = Link { op, at: self.span(m, n), right };
        let (first, mut rest) = match first.kind {
            ExprKind::Chain { first: head, rest } if rest[0].op.level() == op.level() => {
                let before = rest[rest.len() - 1].op;
                // Said at the first mix, not again at those that follow from it.
                if !before.mixes_with(op) && self.said.insert((l, Said::Mixed(op.level()))) {
                    self.mixed(before, &link);
                }
                (head, rest)
            }
            kind => (Box::new(Expr { kind, span: first.span }), Vec::new()),
        };
        rest.push(link);
        self.expr(l, ExprKind::Chain { first, rest }, r)
    }

    fn mixed(&mut self, before: Op, link: &Link) {
        let (a, b) = (before.sign(), link.op.sign());
        match (before, link.op) {
            (Op::Xor, Op::Xor) => {
                self.note(&codes::XOR_CHAIN, link.at, "`xor` after `xor`: put one of them in parentheses").help.push(
                    "for one of several write `exactly 1 of {A, B, C}`; `(A xor B) xor C` also accepts all three"
                        .into(),
                )
            }
            _ if before.level() == 3 => self
                .note(&codes::CHAINED_COMPARISON, link.at, format!("`{b}` after `{a}`: comparisons do not chain"))
                .help
                .push("write `a < b && b < c`".into()),
            _ => self
                .note(&codes::MIXED_OPERATORS, link.at, format!("`{b}` after `{a}`: put one of them in parentheses"))
                .help
                .push(format!("write `(a {a} b) {b} c` or `a {a} (b {b} c)`")),
        }
    }

    /// A slip that is understood.
    pub fn slip(&mut self, l: usize, r: usize) {
        let span = self.span(l, r);
        let word = &self.source[l..r];
        let sign = match word {
            "and" => "&&",
            "or" => "||",
            "not" => "!",
            _ => {
                let help = "equality is written `==`, arguments and fields are written `name: value`";
                self.note(&codes::EQUALS, span, "`=` only defines").help.push(help.into());
                return;
            }
        };
        let message = format!("`{word}` is written `{sign}`");
        self.note(&codes::WORD_OPERATOR, span, message);
    }

    pub fn let_named(&mut self, name: Name) -> Name {
        self.named.insert(name.text.clone());
        name
    }

    /// `x = 1` is understood as the `let` that it was meant to be, and where there is one, as its value alone.
    pub fn statement(&mut self, e: Expr) -> StmtKind {
        match self.equated(&e) {
            Some((Some(name), link)) => {
                let text = name.text.clone();
                if self.named.contains(&text) {
                    let help = format!("`{text}` keeps its value: the new one gets a name of its own, `let ... =`");
                    self.mend(link.at, help);
                    return StmtKind::Expr(link.right);
                }
                self.mend(link.at, format!("a value is named with `let {text} = ...`"));
                StmtKind::Let { name: self.let_named(name), ty: None, value: link.right }
            }
            Some((None, link)) => {
                let help = "what a name stands for is not changed; a record with another field is `{ ...r, field: 2 }`";
                self.mend(link.at, help.into());
                StmtKind::Expr(link.right)
            }
            None => StmtKind::Expr(e),
        }
    }

    /// `name="web"` among arguments is understood: it was reported as what it is written as.
    pub fn argument(&mut self, e: Expr) -> Arg {
        let Some((Some(name), link)) = self.equated(&e) else { return Arg::Positional(e) };
        self.mend(link.at, format!("an argument is written `{}: ...`", name.text));
        Arg::Named(name, link.right)
    }

    /// The same in braces.
    pub fn item(&mut self, e: Expr) -> Item {
        let Some((Some(name), link)) = self.equated(&e) else { return Item::Element(e) };
        self.mend(link.at, format!("an entry is written `{}: ...`", name.text));
        Item::Entry(Key::Name(name), link.right)
    }

    /// `a = b`, where an expression is read: the name on its left, if it is one, and what it is to be.
    fn equated(&self, e: &Expr) -> Option<(Option<Name>, Link)> {
        let ExprKind::Chain { first, rest } = &e.kind else { return None };
        let [link] = &rest[..] else { return None };
        let single = self.source.get(link.at.start as usize..link.at.end as usize) == Some("=");
        let name = match &first.kind {
            ExprKind::Name(name) => Some(Name { text: name.clone(), span: first.span }),
            ExprKind::Path { .. } => None,
            _ => return None,
        };
        (link.op == Op::Eq && single).then(|| (name, link.clone()))
    }

    /// Another help for what was said of a place.
    fn mend(&mut self, at: Span, help: String) {
        if let Some(noted) = self.noted.iter_mut().rev().find(|n| n.diagnostic.span == at) {
            noted.diagnostic.help = vec![help];
        }
    }

    /// `{ compute: A; image: B }`
    pub fn semicolon(&mut self, l: usize, r: usize) {
        let span = self.span(l, r);
        self.note(&codes::UNEXPECTED, span, "expected `,` or a new line, found `;`");
    }

    pub fn clause(&self, l: usize, e: Expr, c: Clause, r: usize) -> Expr {
        let (of, mut clauses) = match e.kind {
            ExprKind::Query { of, clauses } => (of, clauses),
            kind => (Box::new(Expr { kind, span: e.span }), Vec::new()),
        };
        clauses.push(c);
        self.expr(l, ExprKind::Query { of, clauses }, r)
    }

    pub fn tail(&mut self, l: usize, e: Expr, t: Tail, r: usize) -> Expr {
        let (of, mut tails) = match e.kind {
            ExprKind::Placed { of, tails } => (of, tails),
            kind => (Box::new(Expr { kind, span: e.span }), Vec::new()),
        };
        if let Tail::At(place) = &t
            && !self.said.insert((l, Said::HasPlacement))
            && self.said.insert((l, Said::HasTwo))
        {
            self.note(&codes::REPEATED_POLICY, place.span, "this operation has a placement already")
                .help
                .push("combine placements with `&&` and `||`, or name services: `@ { compute: A, image: B }`".into());
        }
        tails.push(t);
        self.expr(l, ExprKind::Placed { of, tails }, r)
    }

    pub fn suffix(&self, l: usize, e: Expr, s: Suffix, r: usize) -> Expr {
        let (head, mut suffixes) = match e.kind {
            ExprKind::Path { head, suffixes } => (head, suffixes),
            kind => (Box::new(Expr { kind, span: e.span }), Vec::new()),
        };
        suffixes.push(s);
        self.expr(l, ExprKind::Path { head, suffixes }, r)
    }
}

pub fn pushed<T>(mut list: Vec<T>, item: T) -> Vec<T> {
    list.push(item);
    list
}
