//! Walks the tokens in step with the tree. Comments between tokens are put where they stand; a token that the tree does
//! not announce makes the walk stop making sense, which the check at the end finds.

use super::doc::Doc;
use crate::span::Span;
use crate::syntax::token::{Class, Comment, Tok, Token, class, continues_clause};

pub type Docs<'a> = Vec<Doc<'a>>;

pub struct Cursor<'a> {
    source: &'a str,
    /// Without line ends and `;`.
    tokens: Vec<Token>,
    /// Of each token, the line on which it begins.
    lines: Vec<usize>,
    /// Of each opening bracket, the token that closes it.
    partners: Vec<usize>,
    comments: &'a [Comment],
    token: usize,
    comment: usize,
    /// Where the last token or comment ended.
    end: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(source: &'a str, tokens: &[Token], comments: &'a [Comment]) -> Cursor<'a> {
        let separates = |t: &Token| matches!(t.tok, Tok::Newline | Tok::Semicolon);
        let tokens: Vec<Token> = tokens.iter().filter(|t| !separates(t)).copied().collect();
        let mut lines = Vec::with_capacity(tokens.len());
        let mut partners = vec![0; tokens.len()];
        let mut open = Vec::new();
        let (mut line, mut at) = (0, 0);
        for (n, token) in tokens.iter().enumerate() {
            line += source[at..token.span.start as usize].matches('\n').count();
            at = token.span.start as usize;
            lines.push(line);
            if token.tok.opens() {
                open.push(n);
            } else if token.tok.closes()
                && let Some(opener) = open.pop()
            {
                partners[opener] = n;
            }
        }
        Cursor { source, tokens, lines, partners, comments, token: 0, comment: 0, end: 0 }
    }

    pub fn peek(&self) -> Option<Tok> {
        self.tokens.get(self.token).map(|t| t.tok)
    }

    pub fn text(&self, span: Span) -> &'a str {
        &self.source[span.start as usize..span.end as usize]
    }

    /// The next token, after the comments in front of it.
    pub fn take(&mut self, out: &mut Docs<'a>) {
        self.comments(out);
        let Some(token) = self.tokens.get(self.token) else { return };
        self.token += 1;
        self.end = token.span.end as usize;
        let text = self.text(token.span);
        // The words of a pair may stand apart.
        if text.contains(char::is_whitespace) && !text.starts_with(['"', '`']) {
            out.push(Doc::Owned(text.split_whitespace().collect::<Vec<_>>().join(" ")));
        } else {
            out.push(Doc::Text(text));
        }
    }

    /// The next token with a space after it.
    pub fn word(&mut self, out: &mut Docs<'a>) {
        self.take(out);
        out.push(Doc::Space);
    }

    /// All of `span` as it is written: a string, with what is inside.
    pub fn verbatim(&mut self, span: Span, out: &mut Docs<'a>) {
        self.comments(out);
        out.push(Doc::Verbatim(self.text(span)));
        while self.tokens.get(self.token).is_some_and(|t| t.span.start < span.end) {
            self.token += 1;
        }
        while self.comments.get(self.comment).is_some_and(|c| c.span.start < span.end) {
            self.comment += 1;
        }
        self.end = span.end as usize;
    }

    /// Steps over a comma; comments in front of it come out before the next token.
    pub fn skip_comma(&mut self) {
        if self.peek() == Some(Tok::Comma) {
            self.token += 1;
        }
    }

    /// Is there a line end between here and the next token or comment?
    pub fn line_ends(&self) -> bool {
        self.line_ends_ahead() > 0
    }

    /// Is there an empty line between here and the next token or comment?
    pub fn blank_line(&self) -> bool {
        self.line_ends_ahead() > 1
    }

    fn line_ends_ahead(&self) -> usize {
        let token = self.tokens.get(self.token).map_or(self.source.len(), |t| t.span.start as usize);
        let next = self.next_comment().map_or(token, |c| c.span.start as usize);
        self.source.get(self.end..next).map_or(0, |between| between.matches('\n').count())
    }

    /// The next comment, if it comes before the next token.
    fn next_comment(&self) -> Option<Comment> {
        let token = self.tokens.get(self.token).map_or(usize::MAX, |t| t.span.start as usize);
        self.comments.get(self.comment).filter(|c| (c.span.start as usize) < token).copied()
    }

    pub fn comment_ahead(&self) -> bool {
        self.next_comment().is_some()
    }

    /// The next comment, alone.
    pub fn one_comment(&mut self, out: &mut Docs<'a>) {
        let Some(comment) = self.next_comment() else { return };
        let own_line = self.line_ends() || self.end == 0;
        let text = self.text(comment.span).trim_end();
        out.push(if own_line { Doc::OwnLine(text) } else { Doc::Trailing(text) });
        self.comment += 1;
        self.end = comment.span.end as usize;
    }

    /// Comments up to the next token.
    pub fn comments(&mut self, out: &mut Docs<'a>) {
        while self.comment_ahead() {
            self.one_comment(out);
        }
    }

    /// Comments that stand on the same line as the last token.
    pub fn trailing(&mut self, out: &mut Docs<'a>) {
        while self.comment_ahead() && !self.line_ends() && self.end > 0 {
            self.one_comment(out);
        }
    }

    /// Does the next bracket close on another line?
    pub fn bracket_crosses_lines(&self) -> bool {
        let partner = self.partners.get(self.token).copied().unwrap_or(0);
        partner > 0 && self.lines[partner] > self.lines[self.token]
    }

    /// Is there a comment between the next bracket and its partner?
    pub fn holds_comment(&self) -> bool {
        match self.partners.get(self.token) {
            Some(&partner) if partner > 0 => {
                let place = |n: usize| self.tokens[n].span;
                self.comment_between(place(self.token).end, place(partner).start)
            }
            _ => false,
        }
    }

    pub fn comment_between(&self, start: u32, end: u32) -> bool {
        let first = self.comments.partition_point(|c| c.span.start < start);
        self.comments.get(first).is_some_and(|c| c.span.start < end)
    }

    /// Where the bracket ahead opens and closes.
    pub fn bracket(&self) -> Option<(u32, u32)> {
        let partner = self.partners.get(self.token).copied().filter(|p| *p > 0)?;
        Some((self.tokens[self.token].span.end, self.tokens[partner].span.start))
    }

    /// Would a line that begins with the next token go on with the one before? Then `;` stands between.
    pub fn goes_on(&self) -> bool {
        let Some(token) = self.tokens.get(self.token) else { return false };
        let after = self.tokens.get(self.token + 1).map(|t| t.tok);
        match token.tok {
            Tok::RBrace => false,
            Tok::Clause => continues_clause(self.text(token.span)),
            Tok::Name => {
                matches!(class(self.text(token.span)), Class::Joins(_))
                    && !matches!(after, None | Some(Tok::Dot | Tok::Equals | Tok::RBrace))
            }
            tok => tok.continues(),
        }
    }

    /// Does a line end right after the next token?
    pub fn line_ends_after_next(&self) -> bool {
        let Some(token) = self.tokens.get(self.token) else { return false };
        let rest = &self.source[token.span.end as usize..];
        let next = rest.trim_start_matches([' ', '\t', '\r']);
        next.starts_with('\n') || next.starts_with('#')
    }
}
