//! The line that is being typed: whether it is finished (asked of the real parser), its colours (from the one lexer), and
//! what could stand where the cursor is.

use super::command;
use super::watch::Seen;
use edge_lang::check::{Completion, CompletionKind, Session};
use edge_lang::library::Library;
use edge_lang::span::FileId;
use edge_lang::syntax::token::Kind;
use edge_lang::syntax::{Tok, Token, lex, parse};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};
use std::borrow::Cow;
use std::sync::Arc;

/// What is known when the line is typed; anew for each line.
pub struct Line {
    pub session: Session,
    pub library: Arc<Library>,
    seen: Seen,
    files: FilenameCompleter,
}

/// More are listed by name alone.
const MOST_EXPLAINED: usize = 30;

impl Line {
    pub fn new(session: Session, library: Arc<Library>, seen: Seen) -> Line {
        Line { session, library, seen, files: FilenameCompleter::new() }
    }

    /// A command and the rest of the line.
    fn split(line: &str) -> Option<(&str, &str)> {
        let trimmed = line.trim_start();
        let (name, rest) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
        name.starts_with(':').then_some((name, rest))
    }

    fn is_finished(line: &str) -> bool {
        let text = match Self::split(line) {
            None => line,
            Some((name, rest)) if command::takes_program(name) => rest,
            Some(_) => return true,
        };
        // Two empty lines ask what is missing.
        line.ends_with("\n\n") || !parse(FileId(0), text).incomplete
    }

    fn colour(&self, text: &str, tokens: &[Token], at: usize) -> &'static str {
        let token = tokens[at];
        let before = at.checked_sub(1).map(|i| tokens[i].tok);
        let after = tokens.get(at + 1).map(|t| t.tok);
        match token.tok.kind() {
            Kind::Word => "\x1b[1;34m",
            Kind::Constant | Kind::Number => "\x1b[36m",
            Kind::Text => "\x1b[32m",
            Kind::Unreadable => "\x1b[31m",
            Kind::Name if before == Some(Tok::Dot) || after == Some(Tok::Colon) => "",
            Kind::Name if self.session.inventory().id(text.trim_matches('`')).is_some() => "\x1b[33m",
            Kind::Name if after == Some(Tok::Dot) && self.library.any_resource(text).is_some() => "\x1b[35m",
            _ => "",
        }
    }

    fn coloured(&self, line: &str) -> String {
        let mut out = String::with_capacity(line.len() * 2);
        let (command, text) = match Self::split(line) {
            Some((name, rest)) => {
                let paint = if command::find(name).is_ok() { "\x1b[1m" } else { "\x1b[31m" };
                out += &format!("{paint}{}\x1b[0m", &line[..line.len() - rest.len()]);
                (Some(name), rest)
            }
            None => (None, line),
        };
        if command.is_some_and(|name| !command::takes_program(name)) {
            return out + text;
        }
        let lexed = lex(FileId(0), text);
        let tokens = lexed.tokens.iter().enumerate().map(|(i, t)| {
            let (start, end) = (t.span.start as usize, t.span.end as usize);
            (start, end, text.get(start..end).map_or("", |word| self.colour(word, &lexed.tokens, i)))
        });
        let comments = lexed.comments.iter().map(|c| (c.span.start as usize, c.span.end as usize, "\x1b[2m"));
        let mut pieces: Vec<(usize, usize, &str)> = tokens.chain(comments).filter(|p| !p.2.is_empty()).collect();
        pieces.sort_unstable();
        let mut done = 0;
        for (start, end, paint) in pieces {
            let (Some(between), Some(word)) = (text.get(done..start), text.get(start..end)) else { continue };
            out += between;
            out += &format!("{paint}{word}\x1b[0m");
            done = end;
        }
        out + text.get(done..).unwrap_or("")
    }

    /// What could stand at `pos`, and where it begins.
    fn candidates(&self, line: &str, pos: usize) -> (usize, Vec<Completion>) {
        let before = &line[..pos];
        let start = before.char_indices().rev().take_while(|(_, c)| is_word(*c)).last().map_or(pos, |(i, _)| i);
        (start, self.session.completions(&self.library, line, pos))
    }

    /// Names of the resource that an argument says, as far as this session has seen them: no key sends a request.
    fn resources(&self, before: &str, prefix: &str, quote: Quote) -> Vec<Pair> {
        let Some(resource) = self.session.resource_at(&self.library, before) else { return Vec::new() };
        let plain = |name: &&Arc<str>| !name.contains(['"', '\\', '$']) && !name.contains(char::is_control);
        let pair = |name: &Arc<str>| match quote {
            Quote::Open => Pair { display: name.to_string(), replacement: format!("{name}\"") },
            Quote::Closed => Pair { display: name.to_string(), replacement: name.to_string() },
            Quote::None => Pair { display: format!("\"{name}\""), replacement: format!("\"{name}\"") },
        };
        self.seen.names(&resource, prefix).iter().filter(plain).map(pair).collect()
    }

    /// Parameters of the operation whose bracket was just opened.
    fn signature(&self, line: &str) -> Option<String> {
        let call = line.strip_suffix('(')?;
        let start = call.char_indices().rev().take_while(|(_, c)| is_word(*c) || *c == '.').last()?.0;
        let (resource, operation) = call[start..].split_once('.')?;
        let operation = self.library.any_resource(resource)?.operation(operation)?;
        let params: Vec<String> = operation
            .params
            .iter()
            .map(|p| if p.ty.present() == &p.ty { p.name.to_string() } else { format!("{}?", p.name) })
            .collect();
        let text = params.join(", ");
        let short: String = text.chars().take(60).collect();
        Some(if short.len() < text.len() { format!("{short}…)") } else { format!("{text})") })
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// The quotes around what is completed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    /// Only the one before it.
    Open,
    Closed,
}

/// In a string or a comment nothing of the language can stand; in some strings a file can, or the name of a resource.
enum Inside {
    Code,
    FileName,
    /// What is in the quotes begins there.
    Text(usize),
    Words,
}

fn inside(text: &str) -> Inside {
    let lexed = lex(FileId(0), text);
    let end = text.len() as u32;
    // A comment ends with its line.
    if lexed.comments.iter().any(|c| c.span.start < end && c.span.end >= end && !text.ends_with('\n')) {
        return Inside::Words;
    }
    let Some(at) = lexed.tokens.iter().rposition(|t| t.span.start < t.span.end && t.tok != Tok::Newline) else {
        return Inside::Code;
    };
    let last = lexed.tokens[at];
    let open = last.tok.kind() == Kind::Text
        && last.span.end >= end
        && parse(FileId(0), &format!("{text} "))
            .diagnostics
            .iter()
            .any(|d| d.code == &edge_lang::syntax::codes::UNCLOSED_TEXT);
    if !open {
        return Inside::Code;
    }
    let word = |t: &Token| text.get(t.span.start as usize..t.span.end as usize).unwrap_or("");
    match &lexed.tokens[..at] {
        [.., function, bracket] if bracket.tok == Tok::LParen && matches!(word(function), "file" | "read") => {
            Inside::FileName
        }
        [.., import] if import.tok == Tok::Import => Inside::FileName,
        _ if last.tok == Tok::Text && !word(&last).starts_with("\"\"\"") => Inside::Text(last.span.start as usize + 1),
        _ => Inside::Words,
    }
}

impl Helper for Line {}

impl Validator for Line {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        Ok(match Line::is_finished(context.input()) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Highlighter for Line {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        Cow::Owned(self.coloured(line))
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Owned(format!("\x1b[1;32m{prompt}\x1b[0m"))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[2m{hint}\x1b[0m"))
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        // A character can change the colour of all others.
        kind != CmdKind::MoveCursor
    }
}

/// Shown and never taken over.
pub struct Shown(String);

impl Hint for Shown {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Line {
    type Hint = Shown;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Shown> {
        (pos == line.len()).then(|| self.signature(line)).flatten().map(Shown)
    }
}

impl Completer for Line {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let mut code = 0;
        if let Some((name, rest)) = Line::split(&line[..pos]) {
            let start = pos - rest.len();
            if rest.is_empty() && !line[..pos].ends_with(char::is_whitespace) {
                let begin = start - name.len();
                let names = command::COMMANDS.iter().filter(|c| c.name.starts_with(&name[1..]));
                let pair = |c: &command::Command| Pair {
                    display: format!(":{} {}", c.name, c.takes).trim_end().to_string(),
                    replacement: format!(":{}{}", c.name, if c.takes.is_empty() { "" } else { " " }),
                };
                return Ok((begin, names.map(pair).collect()));
            }
            if command::takes_file(name) {
                return self.files.complete(line, pos, context);
            }
            if !command::takes_program(name) && name != ":doc" {
                return Ok((pos, Vec::new()));
            }
            code = start;
        }
        let text = &line[code..];
        let at = pos - code;
        match inside(&text[..at]) {
            Inside::Code => {}
            Inside::FileName => return self.files.complete(line, pos, context),
            Inside::Words => return Ok((pos, Vec::new())),
            Inside::Text(start) => {
                let quote = if text[at..].starts_with('"') { Quote::Closed } else { Quote::Open };
                return Ok((start + code, self.resources(&text[..start - 1], &text[start..at], quote)));
            }
        }
        if text[..at].rsplit('\n').next().unwrap_or("").trim().is_empty() {
            // Nothing is begun: the key indents.
            return Ok((pos, vec![Pair { display: String::new(), replacement: "  ".into() }]));
        }
        let (start, found) = self.candidates(text, at);
        let mut named = match start == at {
            true => self.resources(&text[..at], "", Quote::None),
            false => Vec::new(),
        };
        // Beside them what has a name already; everything else that could stand there would hide them.
        let beside = |c: &&Completion| named.is_empty() || c.kind == CompletionKind::Variable;
        let found: Vec<Completion> = found.iter().filter(beside).cloned().collect();
        named.extend(pairs(&found, text[at..].starts_with('(')));
        Ok((start + code, named))
    }
}

fn pairs(found: &[Completion], called: bool) -> Vec<Pair> {
    let explained = found.len() <= MOST_EXPLAINED;
    let widest = found.iter().map(|c| c.text.chars().count()).max().unwrap_or(0);
    let pair = |c: &Completion| {
        let name = written(c);
        let replacement = match c.kind {
            CompletionKind::Operation | CompletionKind::Function if !called => format!("{name}("),
            CompletionKind::Parameter => format!("{name}: "),
            CompletionKind::Word if !name.ends_with(' ') => format!("{name} "),
            _ => name,
        };
        let display = match explained && found.len() > 1 {
            true if c.detail.is_empty() => c.text.clone(),
            true => format!("{:<widest$}  {}", c.text, c.detail.chars().take(70).collect::<String>()),
            // `image` the service, and `image: ` the argument.
            false => replacement.trim_end().to_string(),
        };
        Pair { display, replacement }
    };
    let mut pairs: Vec<Pair> = found.iter().map(pair).collect();
    pairs.dedup_by(|a, b| a.replacement == b.replacement);
    pairs
}

/// A name as it must be written: in backquotes where it is no plain word.
fn written(completion: &Completion) -> String {
    let text = &completion.text;
    let named = matches!(completion.kind, CompletionKind::Site | CompletionKind::Set | CompletionKind::Variable);
    let lexed = lex(FileId(0), text);
    let plain = matches!(&lexed.tokens[..], [one] if one.tok == Tok::Name && one.span.end as usize == text.len());
    if named && !plain { format!("`{text}`") } else { text.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge_lang::inventory::{Inventory, Site};
    use edge_lang::span::Sources;
    use rustyline::history::DefaultHistory;

    fn line() -> Line {
        let mut inventory = Inventory::default();
        inventory.declared = true;
        for name in ["Zone1", "admin@lab"] {
            inventory.add(Site { name: name.into(), stack: "openstack".into(), ..Site::default() });
        }
        let library = crate::stdlib::library(&mut Sources::default(), &[]).0;
        let seen = Seen::default();
        for name in ["cirros", "centos-9", "debian"] {
            seen.add(&"image".into(), &name.into());
        }
        Line::new(Session::new(&inventory), Arc::new(library), seen)
    }

    fn complete(text: &str) -> Vec<String> {
        let history = DefaultHistory::new();
        let (_, pairs) = line().complete(text, text.len(), &Context::new(&history)).expect("no file is read");
        pairs.into_iter().map(|p| p.replacement).collect()
    }

    #[test]
    fn the_parser_says_when_an_entry_is_finished() {
        for finished in ["let a = 1", "", ":type x", ":doc (", "let = ", "f(\n\n", "server.list() @ Zone1", "a )"] {
            assert!(Line::is_finished(finished), "{finished:?}");
        }
        for open in
            ["f(", "if x {", "let a =", "\"\"\"abc", ":type f(", ":plan at Zone1 {", "{ compute: Zone1 &&", "f(\n"]
        {
            assert!(!Line::is_finished(open), "{open:?}");
        }
    }

    #[test]
    fn colours_leave_the_text_as_it_is() {
        let line = line();
        for text in [
            "let x = server.create(\"vm ${1 + 2}\", size: 10GB) @ Zone1 # why",
            ":type {Zone1, `admin@lab`}",
            ":nonsense x",
            "\"unfinished",
            "é ” ∧ €",
            "\"\"\"a\nb\"\"\"\n# c\nx",
        ] {
            assert_eq!(anstream::adapter::strip_str(&line.coloured(text)).to_string(), text);
        }
        let coloured = line.coloured("server.list() @ Zone1");
        assert!(
            coloured.contains("\x1b[35mserver\x1b[0m") && coloured.contains("\x1b[33mZone1\x1b[0m"),
            "{coloured:?}"
        );
    }

    #[test]
    fn completion_offers_what_can_stand_there() {
        assert_eq!(complete(":sc"), [":scope "]);
        assert_eq!(complete("keypair.cre"), ["create("]);
        assert!(complete("server.create(\"a\", fla").contains(&"flavor: ".to_string()));
        assert!(complete("server.list() @ Zo").contains(&"Zone1".to_string()));
        assert!(complete(":type adm").contains(&"`admin@lab`".to_string()));
        assert!(complete("server.create(\"ser").is_empty(), "in a string");
        assert!(complete("x # ser").is_empty(), "in a comment");
        assert_eq!(complete("if x {\n"), ["  "], "nothing is begun");
    }

    #[test]
    fn names_of_resources_that_were_seen_are_offered_where_one_is_meant() {
        assert_eq!(complete("server.create(\"vm\", image: \"ci"), ["cirros\""]);
        assert_eq!(complete("server.create(\"vm\", image: \"c"), ["centos-9\"", "cirros\""]);
        assert_eq!(complete("server.create(\"vm\", image: "), ["\"centos-9\"", "\"cirros\"", "\"debian\""]);
        assert_eq!(complete("image.delete(\"d"), ["debian\""]);
        assert_eq!(complete(":plan image.delete(\"d"), ["debian\""]);
        assert!(complete("server.create(\"d").is_empty(), "a new name");
        assert!(complete("server.create(\"vm\", flavor: \"d").is_empty(), "no flavor was seen");
        let given = complete("server.create(\"vm\", image: \"cirros\", ");
        assert!(given.contains(&"flavor: ".to_string()) && !given.contains(&"image: ".to_string()), "{given:?}");
    }

    #[test]
    fn an_opened_bracket_shows_the_parameters() {
        let shown = line().signature("let vm = server.create(").expect("an operation of the library");
        assert!(shown.starts_with("name, ") && shown.contains("flavor"), "{shown}");
        assert_eq!(line().signature("print ("), None);
    }
}
