//! Tokens, and the words of the language by class. The lexer, the grammar, the formatter, completion and the
//! editors' highlighting all read these tables; a word is added here and nowhere else.

use crate::span::Span;

#[rustfmt::skip]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tok {
    Name, Int, Float, Duration, Size, Percent,
    /// A string is one `Text`, or `TextHead` expr (`TextMiddle` expr)* `TextTail` around its `${ }`.
    Text, TextHead, TextMiddle, TextTail,
    Method, Unreadable,
    Newline, Semicolon,
    LParen, RParen, LBracket, RBracket, LBrace, RBrace,
    Comma, Colon, Dot, At, Equals, Arrow, Question,
    AndAnd, OrOr, Bang, EqEq, NotEq, Lt, Le, Gt, Ge,
    Pipe, Amp, Caret, Minus, Plus, Star, Slash,
    Let, Fn, If, Else, For, In, Parallel, Atomic, Try, Assert, Print, AtWord, True, False, Null,
    Site, Scope, Import, Input, Compose,
    AllOf, AnyOf, NoneOf, AllBut, Exactly, AtLeast, AtMost, Of, Offers, Within, Each, Ellipsis,
    Xor, Like, With, IfAny, Where, Select, As, OrderBy, Asc, Desc, GroupBy, Join, On, Limit,
    AndWord, OrWord, NotWord,
    Service, Fields, Op, ReadOp, List, Chosen, Clause,
    /// The `{` of a service description that holds lines of clauses.
    LinesBrace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub tok: Tok,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment {
    pub span: Span,
    /// `##`: documents the declaration that follows.
    pub doc: bool,
}

/// How a word becomes a keyword. After `.` and before `:` every word is a name, whatever its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Always a keyword.
    Reserved(Tok),
    /// At the start of a statement, unless the next token shows that it is used as a value: `site A = ...`.
    Opens(Tok),
    /// After an operand, also at the start of a line: `where`, `limit`, `xor`.
    Joins(Tok),
    /// After an operand on the same line: `desc`.
    Trails(Tok),
    /// Before an operand: `exactly 2 of`.
    Leads(Tok),
    /// `at local {` and `compose {`: judged by their neighbours alone.
    Special(Tok),
    Plain,
}

macro_rules! words {
    ($($word:literal $class:ident $tok:ident;)*) => {
        pub fn class(word: &str) -> Class {
            match word {
                $($word => Class::$class(Tok::$tok),)*
                _ => Class::Plain,
            }
        }
        /// Every single word that the general rules can make a keyword, slips included.
        pub static WORDS: &[(&str, Class)] = &[$(($word, Class::$class(Tok::$tok))),*];
    };
}

words! {
    "let" Reserved Let;
    "fn" Reserved Fn;
    "if" Reserved If;
    "else" Reserved Else;
    "for" Reserved For;
    "parallel" Reserved Parallel;
    "atomic" Reserved Atomic;
    "try" Reserved Try;
    "assert" Reserved Assert;
    "print" Reserved Print;
    "true" Reserved True;
    "false" Reserved False;
    "null" Reserved Null;
    "not" Reserved NotWord;
    "site" Opens Site;
    "scope" Opens Scope;
    "input" Opens Input;
    "service" Opens Service;
    "import" Opens Import;
    "at" Special AtWord;
    "compose" Special Compose;
    "in" Joins In;
    "xor" Joins Xor;
    "and" Joins AndWord;
    "or" Joins OrWord;
    "like" Joins Like;
    "with" Joins With;
    "where" Joins Where;
    "select" Joins Select;
    "join" Joins Join;
    "on" Joins On;
    "as" Joins As;
    "limit" Joins Limit;
    "within" Joins Within;
    "of" Joins Of;
    "asc" Trails Asc;
    "desc" Trails Desc;
    "exactly" Leads Exactly;
    "offers" Leads Offers;
}

/// Two words on one line that are one keyword. Alone, each of them is a name (`if` aside).
pub static PAIRS: &[(&str, &str, Tok)] = &[
    ("all", "of", Tok::AllOf),
    ("any", "of", Tok::AnyOf),
    ("none", "of", Tok::NoneOf),
    ("at", "least", Tok::AtLeast),
    ("at", "most", Tok::AtMost),
    ("all", "but", Tok::AllBut),
    ("order", "by", Tok::OrderBy),
    ("group", "by", Tok::GroupBy),
    ("if", "any", Tok::IfAny),
];

pub fn pair(first: &str, second: &str) -> Option<Tok> {
    // Most words begin no pair; this is asked for each of them.
    if !matches!(first, "all" | "any" | "none" | "at" | "order" | "group" | "if") {
        return None;
    }
    PAIRS.iter().find(|(a, b, _)| (*a, *b) == (first, second)).map(|p| p.2)
}

macro_rules! word_set {
    ($(#[$doc:meta])* $table:ident $test:ident $($word:literal)*) => {
        $(#[$doc])*
        pub static $table: &[&str] = &[$($word),*];
        pub fn $test(word: &str) -> bool {
            matches!(word, $($word)|*)
        }
    };
}

word_set! {
    /// Words of service descriptions. They are keywords only there, and only where a clause can begin or go on.
    CLAUSE_WORDS is_clause_word
    "add" "answer" "as" "at" "auth" "base" "because" "bridge" "call" "code" "definition" "delete" "entire" "errors" "fixed"
    "follow" "form" "from" "get" "headers" "ignore" "insist" "json" "many" "needs" "on" "once" "one" "order" "over" "part"
    "query" "recreate" "rehearse" "remove" "repeatable" "resource" "send" "shape" "since" "speaks" "stream" "text" "to" "try" "undo"
    "unique" "unless" "until" "when"
}

word_set! {
    /// A line of a service description that begins with one of these goes on with the one before.
    CONTINUING_WORDS continues_clause
    "as" "because" "fixed" "form" "headers" "json" "over" "query" "send" "since" "to" "unless"
}

word_set! {
    /// Words that come second in a clause, before its value: `needs extension "router"`, `undo none "why"`.
    SECOND_WORDS is_second_word
    "extension" "header" "query" "none" "text" "code"
}

word_set! {
    /// Words of clauses that have no value.
    LONE_WORDS stands_alone
    "entire" "repeatable" "once" "unique"
}

word_set! {
    METHODS is_method
    "GET" "HEAD" "POST" "PUT" "PATCH" "DELETE"
}

word_set! {
    /// Lines of a service description that are more than words and values.
    LINE_WORDS is_line_word
    "fields" "op" "read op" "list" "chosen" "each"
}

pub static CLAUSE_PAIRS: &[(&str, &str)] = &[
    ("named", "by"),
    ("found", "by"),
    ("pages", "by"),
    ("fenced", "by"),
    ("marked", "at"),
    ("ready", "when"),
    ("failed", "when"),
    ("already", "when"),
    ("gone", "when"),
    ("unready", "because"),
    ("same", "when"),
    ("wait", "until"),
    ("unique", "in"),
    ("refers", "to"),
    ("referred", "by"),
    ("ready", "like"),
    ("of", "kind"),
];

pub fn is_clause_pair(first: &str, second: &str) -> bool {
    CLAUSE_PAIRS.contains(&(first, second))
}

/// Words written by habit from other languages; they are read as what was meant, and reported.
pub static SLIPS: &[&str] = &["and", "or", "not"];

/// The words an editor colours, by what they are. Pairs are written with one space.
pub struct Keywords {
    pub statements: Vec<String>,
    pub operators: Vec<String>,
    pub constants: Vec<String>,
    /// Of service descriptions only.
    pub clauses: Vec<String>,
    pub methods: Vec<String>,
}

pub fn keywords() -> Keywords {
    let mut k = Keywords {
        statements: Vec::new(),
        operators: PAIRS.iter().map(|(a, b, _)| format!("{a} {b}")).collect(),
        constants: Vec::new(),
        clauses: Vec::new(),
        methods: METHODS.iter().map(|w| w.to_string()).collect(),
    };
    for (word, class) in WORDS.iter().filter(|(word, _)| !SLIPS.contains(word)) {
        let list = match class {
            Class::Reserved(Tok::True | Tok::False | Tok::Null) => &mut k.constants,
            Class::Reserved(_) | Class::Opens(_) | Class::Special(_) => &mut k.statements,
            _ => &mut k.operators,
        };
        list.push(word.to_string());
    }
    let words = CLAUSE_WORDS.iter().chain(SECOND_WORDS).chain(LINE_WORDS).map(|w| w.to_string());
    k.clauses = words.chain(CLAUSE_PAIRS.iter().map(|(a, b)| format!("{a} {b}"))).collect();
    for list in [&mut k.statements, &mut k.operators, &mut k.constants, &mut k.clauses, &mut k.methods] {
        list.sort();
        list.dedup();
    }
    k
}

/// What a token is to the eye: one colour each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Name,
    /// Words of statements and operators, and those of service descriptions.
    Word,
    Constant,
    Number,
    Text,
    Sign,
    Bracket,
    /// A line end or `;`.
    Separator,
    Unreadable,
}

impl Tok {
    pub fn kind(self) -> Kind {
        use Tok::*;
        match self {
            Name => Kind::Name,
            True | False | Null => Kind::Constant,
            Int | Float | Duration | Size | Percent => Kind::Number,
            Text | TextHead | TextMiddle | TextTail => Kind::Text,
            LParen | RParen | LBracket | RBracket | LBrace | RBrace | LinesBrace => Kind::Bracket,
            Newline | Semicolon => Kind::Separator,
            Unreadable => Kind::Unreadable,
            Comma | Colon | Dot | At | Equals | Arrow | Question | AndAnd | OrOr | Bang | EqEq | NotEq | Lt | Le
            | Gt | Ge | Pipe | Amp | Caret | Minus | Plus | Star | Slash | Ellipsis => Kind::Sign,
            _ => Kind::Word,
        }
    }

    /// An operand can end with this token.
    #[rustfmt::skip]
    pub fn ends_operand(self) -> bool {
        use Tok::*;
        matches!(
            self,
            Name | Int | Float | Duration | Size | Percent | Text | TextTail | RParen | RBracket | RBrace
                | True | False | Null | Question | IfAny | Asc | Desc
        )
    }

    /// A line that ends with this token goes on.
    pub fn wants_more(self) -> bool {
        use Tok::*;
        !self.ends_operand() && !matches!(self, Newline | Semicolon | Unreadable | Clause)
    }

    /// A line that begins with this token goes on with the one before. `-` does, `!` `(` `[` do not.
    #[rustfmt::skip]
    pub fn continues(self) -> bool {
        use Tok::*;
        matches!(
            self,
            Dot | Comma | Colon | At | Equals | Arrow | Question
                | AndAnd | OrOr | EqEq | NotEq | Lt | Le | Gt | Ge
                | Pipe | Amp | Caret | Minus | Plus | Star | Slash
                | LBrace | RBrace | RParen | RBracket | TextMiddle | TextTail
                | Else | In | Of | Xor | AndWord | OrWord | Like | With | IfAny
                | Where | Select | As | OrderBy | GroupBy | Join | On | Limit | Within
        )
    }

    /// A line that begins with this token begins a statement, even where the line before wants more:
    /// the mistake is then reported on the line where it was made, and this statement is not lost.
    #[rustfmt::skip]
    pub fn begins_statement(self) -> bool {
        use Tok::*;
        matches!(
            self,
            Let | Fn | If | For | Parallel | Atomic | Try | Assert | Print | AtWord
                | Site | Scope | Import | Input | Service
        )
    }

    pub fn opens(self) -> bool {
        use Tok::*;
        matches!(self, LParen | LBracket | LBrace | LinesBrace | TextHead)
    }

    pub fn closes(self) -> bool {
        use Tok::*;
        matches!(self, RParen | RBracket | RBrace | TextTail)
    }
}
