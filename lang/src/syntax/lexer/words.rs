//! Word or keyword? A word is judged by its neighbours, so that `limit`, `site` or `order` stay free for names,
//! fields and arguments. The classes are in `token`.

use super::arrange::Arranger;
use crate::syntax::token::{
    Class, Tok, class, continues_clause, is_clause_pair, is_clause_word, is_method, is_second_word, pair, stands_alone,
};

impl Arranger<'_> {
    /// Word or keyword? Returns the token, and how many pieces it is made of.
    pub(super) fn word(&mut self, i: usize) -> (Tok, usize) {
        let piece = self.raw[i];
        let next = self.raw.get(i + 1).copied();
        let next_tok = next.map(|p| p.tok.unwrap_or(Tok::Name));
        let last = self.last();
        let on_new_line = piece.after_newline || last.is_none();
        if last == Some(Tok::Dot) || next_tok == Some(Tok::Colon) {
            return (Tok::Name, 1);
        }
        if !self.lines.is_empty()
            && let Some(found) = self.service_word(i)
        {
            return found;
        }
        let opens = on_new_line || matches!(last, Some(Tok::Newline | Tok::Semicolon | Tok::LBrace | Tok::RBrace));
        let after_operand = last.is_some_and(Tok::ends_operand);
        // `limit.list()`, `site = 3`, `{ type, site }`: the word is itself the operand.
        let used_as_value = match next {
            None => true,
            // `site in west` asks, `site in = ...` declares; a line end between them changes nothing.
            Some(p) if p.tok.is_none() && self.joins(i + 1) => {
                let after = self.raw.get(i + 2).and_then(|p| p.tok);
                !matches!(after, Some(Tok::Equals | Tok::LBrace | Tok::Colon))
                    && !matches!(self.text(i + 2), "for" | "of")
                    && self.text(i + 1) != "of"
            }
            Some(p) if p.after_newline => true,
            Some(p) => p.tok.is_some_and(|t| {
                matches!(t, Tok::Dot | Tok::LParen | Tok::LBracket | Tok::Comma)
                    || (t.continues() && t != Tok::Equals && t != Tok::LBrace)
            }),
        };
        let word = self.text(i);
        // A pair stands on one line, so that no comment can come between.
        if next.is_some_and(|p| p.tok.is_none() && !p.after_newline)
            && let Some(tok) = pair(word, self.text(i + 1))
            // `if any of west { ... }` asks.
            && !(tok == Tok::IfAny && self.text(i + 2) == "of")
        {
            return (tok, 2);
        }
        let tok = match class(word) {
            Class::Reserved(tok) => tok,
            Class::Opens(tok) if opens && !used_as_value => tok,
            Class::Joins(tok) if on_new_line && after_operand => match next_tok {
                None | Some(Tok::Dot | Tok::Equals | Tok::RBrace) => Tok::Name,
                _ => tok,
            },
            Class::Joins(tok) if after_operand => tok,
            Class::Trails(tok) if after_operand && !on_new_line => tok,
            Class::Leads(tok) if next_tok != Some(Tok::Equals) && (!used_as_value || next_tok == Some(Tok::LParen)) => {
                tok
            }
            // `at local {` opens a statement; before it one may be forgotten; else it is a name.
            Class::Special(Tok::AtWord)
                if (opens && !matches!(next_tok, Some(Tok::Dot | Tok::Comma | Tok::RBrace | Tok::Equals))
                    || after_operand) =>
            {
                Tok::AtWord
            }
            Class::Special(Tok::Compose) if next_tok == Some(Tok::LBrace) => Tok::Compose,
            _ => Tok::Name,
        };
        (tok, 1)
    }

    /// Does an expression go on with this word?
    fn joins(&self, i: usize) -> bool {
        let (word, next) = (self.text(i), self.text(i + 1));
        matches!(class(word), Class::Joins(_))
            || matches!(word, "else" | "each")
            || matches!(pair(word, next), Some(Tok::OrderBy | Tok::GroupBy | Tok::IfAny))
    }

    /// As `word`, inside a service description; `None` where the general rules hold.
    fn service_word(&mut self, i: usize) -> Option<(Tok, usize)> {
        let (word, piece) = (self.text(i), self.raw[i]);
        let next = self.raw.get(i + 1).filter(|p| !p.after_newline).copied();
        let next_tok = next.map(|p| p.tok.unwrap_or(Tok::Name));
        let next_word = if next_tok == Some(Tok::Name) { self.text(i + 1) } else { "" };
        let last = self.last()?;
        let in_lines = self.lines.last() == Some(&self.stack.len());
        let starts =
            in_lines && (piece.after_newline || matches!(last, Tok::Newline | Tok::Semicolon | Tok::LinesBrace));
        let on_line = !piece.after_newline;
        let text_next = matches!(next_tok, Some(Tok::Text | Tok::TextHead));
        if starts && !continues_clause(word) {
            self.head = word;
        }
        if text_next && is_method(word) {
            return Some((Tok::Method, 1));
        }
        if starts {
            match (word, next_tok) {
                ("read", _) if next_word == "op" => return Some((Tok::ReadOp, 2)),
                ("op", _) => return Some((Tok::Op, 1)),
                ("fields", Some(Tok::LBrace)) => return Some((Tok::Fields, 1)),
                ("list", Some(Tok::LParen)) => return Some((Tok::List, 1)),
                ("chosen", _) => return Some((Tok::Chosen, 1)),
                _ => {}
            }
        }
        if in_lines && is_clause_pair(word, next_word) {
            return Some((Tok::Clause, 2));
        }
        // `needs extension "router"`, `undo none "why"`: a second word before its value.
        let lone = last == Tok::Clause && stands_alone(self.last_text());
        if last == Tok::Clause && !lone && on_line {
            let second = is_second_word(word) && (text_next || matches!(next_tok, Some(Tok::LBrace)));
            return second.then_some((Tok::Clause, 1));
        }
        if starts && is_clause_word(word) && !matches!(next_tok, Some(Tok::Dot | Tok::Comma | Tok::Equals)) {
            return Some((Tok::Clause, 1));
        }
        if on_line && (last.ends_operand() || lone) {
            match word {
                "each" => return Some((Tok::Each, 1)),
                "like" if self.head == "resource" => return Some((Tok::Clause, 1)),
                "in" if matches!(self.head, "named" | "refers") => return Some((Tok::Clause, 1)),
                _ if is_clause_word(word) => return Some((Tok::Clause, 1)),
                _ => {}
            }
        }
        // Outside of it these open statements; here they are names.
        matches!(class(word), Class::Opens(_)).then_some((Tok::Name, 1))
    }
}
