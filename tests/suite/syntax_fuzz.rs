//! Texts that no person wrote: token soup, cut and shuffled programs, deep brackets, long lines, and programs made up by
//! a generator with comments and line ends in odd places. `PROPTEST_CASES=20000` tries harder.

use crate::support;
use edge_lang::diagnostic::Diagnostic;
use edge_lang::span::{FileId, Span};
use edge_lang::syntax::{self, MAX_DEPTH, Tok, codes};
use proptest::prelude::*;
use proptest::sample::select;

const FILE: FileId = FileId(7);

/// Holds for every text whatsoever. Says whether it is a program.
fn sound(source: &str) -> bool {
    let fits = |span: Span| {
        span.file == FILE
            && span.start <= span.end
            && source.is_char_boundary(span.start as usize)
            && source.is_char_boundary(span.end as usize)
    };
    let lexed = syntax::lex(FILE, source);
    for pair in lexed.tokens.windows(2) {
        assert!(pair[0].span.end <= pair[1].span.start, "{pair:?} overlap in {source:?}");
    }
    assert!(lexed.tokens.iter().all(|t| fits(t.span)), "{source:?}");
    assert!(lexed.comments.iter().all(|c| fits(c.span)), "{source:?}");
    all_is_read(source, &lexed);

    let parsed = syntax::parse(FILE, source);
    for d in &parsed.diagnostics {
        assert!(fits(d.span) && d.others.iter().all(|o| fits(o.span)), "{d:?} in {source:?}");
        assert!(!d.message.is_empty() && d.message.len() < 300, "{d:?}");
    }
    for pair in parsed.diagnostics.windows(2) {
        assert!(pair[0].span.start < pair[1].span.start, "{pair:?} in {source:?}");
    }
    match syntax::format(FILE, source) {
        Ok(formatted) => {
            assert!(parsed.diagnostics.is_empty(), "a text with mistakes was formatted: {source:?}");
            let again = syntax::format(FILE, &formatted).map_err(|r| r.diagnostics);
            assert_eq!(again.as_deref(), Ok(&formatted[..]), "from {source:?}");
            // Apart from what the formatter says of itself: the same words and signs, the same comments.
            assert_eq!(said(&formatted), said(source), "from {source:?}");
            true
        }
        Err(refused) => {
            let faults = refused.diagnostics.iter().any(|d| d.code == &codes::LAYOUT_CHANGED);
            assert!(!faults, "the layout would change {source:?}");
            assert!(!parsed.diagnostics.is_empty(), "refused without a reason: {source:?}");
            false
        }
    }
}

/// What a text says, without its layout: tokens that are no separators, and comments.
fn said(source: &str) -> (Vec<String>, Vec<&str>) {
    let lexed = syntax::lex(FILE, source);
    let text = |span: Span| &source[span.start as usize..span.end as usize];
    // The two words of `order by` may stand apart.
    let word = |text: &str| match text.starts_with(['"', '`']) {
        true => text.to_string(),
        false => text.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    let separates = |t: Tok| matches!(t, Tok::Comma | Tok::Semicolon | Tok::Newline);
    let tokens = lexed.tokens.iter().filter(|t| !separates(t.tok)).map(|t| word(text(t.span))).collect();
    (tokens, lexed.comments.iter().map(|c| text(c.span).trim_end()).collect())
}

/// Every byte is in a token, a comment, white space, or something that was reported; a last `;` is no token.
fn all_is_read(source: &str, lexed: &syntax::Lexed) {
    if lexed.diagnostics.iter().any(|d| d.code == &codes::TOO_DEEP) {
        return;
    }
    let mut read = vec![false; source.len()];
    let spans = lexed.tokens.iter().map(|t| t.span).chain(lexed.comments.iter().map(|c| c.span));
    for span in spans.chain(lexed.diagnostics.iter().map(|d| d.span)) {
        read[span.start as usize..span.end as usize].fill(true);
    }
    for (at, c) in source.char_indices() {
        assert!(read[at] || c.is_whitespace() || matches!(c, '\u{feff}' | ';'), "byte {at} of {source:?} was lost");
    }
}

fn mistakes(source: &str) -> String {
    let said = |d: &Diagnostic| format!("{} `{}`\n", d.message, &source[d.span.start as usize..]);
    syntax::parse(FILE, source).diagnostics.iter().map(said).collect()
}

fn programs() -> Vec<String> {
    let folders = ["tests", "examples", "stdlib"].map(|folder| support::root().join(folder));
    folders.iter().flat_map(|folder| support::files(folder, "edge")).map(|path| support::read(&path)).collect()
}

const SOUP: &[&str] = &[
    "let",
    "fn",
    "if",
    "else",
    "for",
    "in",
    "parallel",
    "atomic",
    "try",
    "assert",
    "print",
    "at",
    "true",
    "null",
    "site",
    "scope",
    "import",
    "input",
    "compose",
    "all of",
    "any of",
    "all but",
    "exactly",
    "at least",
    "of",
    "offers",
    "within",
    "each",
    "xor",
    "like",
    "with",
    "if any",
    "where",
    "select",
    "as",
    "order by",
    "asc",
    "desc",
    "group by",
    "join",
    "on",
    "limit",
    "and",
    "or",
    "not",
    "service",
    "for openstack",
    "fields",
    "op",
    "read op",
    "list",
    "chosen",
    "resource",
    "many",
    "named by",
    "undo",
    "GET \"/x\"",
    "json",
    "on 409",
    "x",
    "name-1",
    "`q`",
    "vm",
    "42",
    "1.5",
    "30s",
    "10%",
    "5GiB",
    "30sec",
    "99999999999999999999",
    "\"text\"",
    "\"a ${",
    "} b\"",
    "\"\"\"",
    "\"open",
    "'q'",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    ".",
    "@",
    "=",
    "->",
    "?",
    "&&",
    "||",
    "!",
    "==",
    "!=",
    "<",
    ">=",
    "|",
    "&",
    "^",
    "-",
    "+",
    "*",
    "/",
    "...",
    "..",
    ";",
    "\n",
    "\n",
    "\n",
    "# c\n",
    "## d\n",
    "// c\n",
    "/* c */",
    "§",
    "–",
    "\u{a0}",
    "\\",
    "é",
    "😀",
    "\t",
    "\r\n",
    "\u{feff}",
];

fn soup() -> impl Strategy<Value = String> {
    let piece = (select(SOUP), select(&[" ", " ", "", "\n"][..]));
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.into_iter().map(|(a, b)| format!("{a}{b}")).collect())
}

fn cut(text: &str, at: usize) -> usize {
    let at = at % (text.len() + 1);
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn soup_is_survived(source in soup()) {
        sound(&source);
    }

    #[test]
    fn soup_in_a_service_is_survived(source in soup()) {
        sound(&format!("service s for http {{\n{source}\n}}"));
    }

    #[test]
    fn any_text_is_survived(source in any::<String>()) {
        sound(&source);
    }

    #[test]
    fn mutilated_programs_are_survived(
        a in select(programs()), b in select(programs()), i in any::<usize>(), j in any::<usize>(), how in 0..5,
        piece in select(SOUP),
    ) {
        let (i, j) = (cut(&a, i), cut(&b, j));
        let end = cut(&a, i + j % 20);
        sound(&match how {
            0 => a[..i].to_string(),
            1 => format!("{}{}", &a[..i], &b[j..]),
            2 => format!("{}{piece}{}", &a[..i], &a[i..]),
            3 => format!("{}{}", &a[..i.min(end)], &a[end.max(i)..]),
            _ => format!("{}{piece}{}", &a[..i.min(end)], &a[end.max(i)..]),
        });
    }

    #[test]
    fn deep_brackets_are_survived(
        open in select(&["(", "[", "{", "\"${", "f(", "{a: ", "[{", "at a { ", "if (a) { b([", "service s for http { x { "][..]),
        depth in 1usize..400, closed in any::<bool>(),
    ) {
        let mut source = open.repeat(depth);
        if closed {
            let partner = |c| match c { '(' => Some(")"), '[' => Some("]"), '{' => Some("}"), _ => None };
            // The quote of `"${` closes after its brace.
            let all: Vec<&str> = open.chars().filter_map(partner).collect();
            let closing: String = all.into_iter().rev().collect();
            source += &closing.replace('}', if open.starts_with('"') { "}\"" } else { "}" }).repeat(depth);
        }
        sound(&source);
        let brackets = open.chars().filter(|c| "([{".contains(*c)).count();
        let deep = syntax::parse(FILE, &source).diagnostics.iter().any(|d| d.code == &codes::TOO_DEEP);
        prop_assert!(!deep || depth * brackets > MAX_DEPTH);
    }

    #[test]
    fn made_up_programs_are_formatted(source in program(), gaps in prop::collection::vec(0usize..40, 1..50)) {
        let source = filled(&source, &gaps);
        prop_assert!(sound(&source), "{source}\n{}", mistakes(&source));
    }
}

/// Tens of megabytes in one line, and lines of many mistakes: linear, and no deeper stack than a short one.
#[test]
fn long_lines_are_survived() {
    let million = 1_000_000;
    for source in [
        format!("print \"{}\"", "x".repeat(10 * million)),
        format!("print {}", "x".repeat(10 * million)),
        format!("print 1 # {}", "x".repeat(10 * million)),
        format!("print \"\"\"{}", "\n  x".repeat(million / 5)),
        "9".repeat(million),
        "§".repeat(million / 2),
        format!("print a{}", " | a".repeat(50_000)),
        format!("print a{}{}", " | a".repeat(20_000), " & a | a".repeat(20_000)),
        format!("print {}a", "!".repeat(20_000)),
        format!("print a{}", ".a()".repeat(20_000)),
        format!("a @ a{}{}", " if any".repeat(20_000), " @ a".repeat(20_000)),
        format!("let a = {{{}}}", "a, ".repeat(20_000)),
        format!("if a {{}}{}", " else if a {}".repeat(10_000)),
        "let = ".repeat(10_000),
        "\"\n".repeat(20_000),
        "\"${\n".repeat(20_000),
        format!("\"\"\"${{{}", "{\n".repeat(20_000)),
        format!("{}{}", "{".repeat(150), "x }\n".repeat(20_000)),
        ")}]".repeat(20_000),
        "(".repeat(million / 10),
    ] {
        let parsed = syntax::parse(FILE, &source);
        let formatted = syntax::format(FILE, &source);
        assert_eq!(formatted.is_ok(), parsed.diagnostics.is_empty(), "{}", &source[..40]);
    }
}

// ---- made-up programs -------------------------------------------------------------------------------------------

/// Where `~` stands, white space, line ends and comments mean nothing.
fn filled(text: &str, gaps: &[usize]) -> String {
    const GAPS: &[&str] =
        &["\n", "\n\n", " # why\n", "\n# why\n", "\n\n  ## why\n # not\n\n", "\t", "  ", "\r\n", " # é “x” \n", " #\n"];
    let mut out = String::new();
    for (n, piece) in text.split('~').enumerate() {
        if n > 0 {
            // Most gaps are a space, so that some lines are long.
            out += GAPS.get(gaps[n % gaps.len()]).unwrap_or(&" ");
        }
        out += piece;
    }
    out
}

fn name() -> impl Strategy<Value = String> {
    select(
        &[
            "a",
            "vm",
            "sites",
            "paris-1",
            "`a b`",
            "server",
            "limit",
            "site",
            "order",
            "image",
            "text",
            "x_1",
            "where_to",
            "a_rather_long_name_of_a_value",
            "fields",
            "type",
        ][..],
    )
    .prop_map(str::to_string)
}

/// Not a word of the language: it may begin a statement or follow an operand's line.
fn plain() -> impl Strategy<Value = String> {
    select(&["a", "vm", "sites", "paris-1", "`a b`", "server", "x_1", "where_to", "a_rather_long_name_of_a_value"][..])
        .prop_map(str::to_string)
}

fn literal() -> impl Strategy<Value = String> {
    select(
        &[
            "1",
            "1_000",
            "1.5",
            "30s",
            "1.5h",
            "512MiB",
            "10%",
            "true",
            "false",
            "null",
            "\"text\"",
            "\"\"",
            "\"a ${b} c\"",
            "\"${ f( 1,2 ) }\"",
            "\"é \\u{e9} \\n \\\" \\${x}\"",
            "\"\"\"\n    many\n      lines\n    \"\"\"",
            "\"# no comment\"",
            "\"a text that is long enough to make a line end somewhere near it, whatever else there is\"",
        ][..],
    )
    .prop_map(str::to_string)
}

fn many(of: impl Strategy<Value = String>, between: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(of, 0..5).prop_map(move |list| list.join(between))
}

fn some(of: impl Strategy<Value = String>, between: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(of, 1..4).prop_map(move |list| list.join(between))
}

/// An expression after which `,` can stand. Operands of operators are in parentheses where families would mix.
fn expr() -> BoxedStrategy<String> {
    expression(true)
}

/// Service descriptions have no queries: `as` and `on` are words of clauses there.
fn expression(queries: bool) -> BoxedStrategy<String> {
    let leaf = prop_oneof![plain(), literal()];
    leaf.prop_recursive(4, 40, 4, move |inner| {
        let atom = || prop_oneof![3 => plain(), 1 => literal(), 2 => inner.clone().prop_map(|e| format!("(~{e}~)"))];
        let path = || {
            let suffix = prop_oneof![
                name().prop_map(|n| format!("~.~{n}")),
                Just("~.\"X-Id\"".to_string()),
                inner.clone().prop_map(|e| format!("[~{e}~]")),
                many(argument(inner.clone()), "~,~").prop_map(|a| format!("(~{a}~)")),
            ];
            (atom(), prop::collection::vec(suffix, 0..4)).prop_map(|(a, s)| a + &s.concat())
        };
        let chain = |signs: &'static [&'static str]| {
            (select(signs), prop::collection::vec(path(), 2..5))
                .prop_map(|(sign, list)| list.join(&format!("~{sign}~")))
        };
        prop_oneof![
            path(),
            chain(&["+", "-", "|", "&", "^", "*", "&&", "||"]),
            (path(), select(&["==", "!=", "<", ">=", "like", "in", "xor", "/"][..]), path())
                .prop_map(|(a, op, b)| format!("{a}~{op}~{b}")),
            (select(&["!", "!!", "-", "--"][..]), path()).prop_map(|(sign, e)| format!("{sign}{e}")),
            (select(&["all of", "any of"][..]), path()).prop_map(|(form, e)| format!("{form}~{e}")),
            (select(&["exactly", "at least", "at most", "all but"][..]), path(), path())
                .prop_map(|(form, k, e)| format!("({form} {k}~of~{e})")),
            many(inner.clone(), "~,~").prop_map(|e| format!("[~{e}~]")),
            braces(inner.clone()),
            (path(), path(), braces(inner.clone())).prop_map(|(a, b, c)| format!("{a}~@~{b}~with~{c}~if any")),
            (path(), braces(inner.clone())).prop_map(|(a, b)| format!("{a}~@~{b}")),
            (path(), path(), path()).prop_map(|(a, b, c)| format!("{a}~where~{b} limit {c}")),
            (path(), path(), path(), plain()).prop_map(move |(a, b, c, n)| match queries {
                true => format!("({a}~where~{b}~select~{c} as {n},~{n}~order by~{c} desc,~{n})"),
                false => format!("({a}~-~{b})"),
            }),
            (path(), path(), path()).prop_map(move |(a, b, c)| match queries {
                true => format!("({a}~join~({b})~as~f on {c}~group by~{b})"),
                false => format!("({a}~else~{b})"),
            }),
        ]
        .boxed()
    })
    .boxed()
}

fn argument(inner: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    prop_oneof![inner.clone(), (name(), inner).prop_map(|(n, e)| format!("{n}:~{e}"))]
}

fn braces(inner: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let entry = || {
        let policy = (plain(), inner.clone()).prop_map(|(n, e)| format!("{n} {{~at:~{e}~}}"));
        prop_oneof![
            4 => (name(), inner.clone()).prop_map(|(n, e)| format!("{n}:~{e}")),
            1 => inner.clone().prop_map(|e| format!("\"a key\":~{e}")),
            1 => (plain(), inner.clone()).prop_map(|(n, e)| format!("({n}):~{e}")),
            1 => policy,
        ]
    };
    prop_oneof![
        many(entry(), "~,~").prop_map(|e| format!("{{~{e}~}}")),
        some(entry(), "\n").prop_map(|e| format!("{{\n{e}\n}}")),
        some(prop_oneof![plain(), inner.clone()], "~,~").prop_map(|e| format!("{{~{e}~}}")),
        (entry(), plain()).prop_map(|(e, n)| format!("{{~{e},~...{n}~,~{n}~,~}}")),
    ]
    .boxed()
}

fn ty() -> BoxedStrategy<String> {
    let leaf =
        select(&["Int", "String?", "server", "[Placement]", "{*: Any}", "[{a: Int}]?"][..]).prop_map(str::to_string);
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|t| format!("[~{t}~]")),
            (name(), inner.clone(), inner).prop_map(|(n, a, b)| format!("{{~{n}:~{a},~b:~{b}~}}?")),
        ]
        .boxed()
    })
    .boxed()
}

fn block(inner: BoxedStrategy<String>) -> BoxedStrategy<String> {
    prop_oneof![
        many(inner.clone(), "\n").prop_map(|s| format!("{{\n{s}\n}}")),
        some(inner, " ; ").prop_map(|s| format!("{{ {s} }}")),
        Just("{~}".to_string()),
    ]
    .boxed()
}

fn statement() -> BoxedStrategy<String> {
    let simple = prop_oneof![
        (plain(), expr()).prop_map(|(n, e)| format!("let~{n}~=~{e}")),
        (plain(), ty(), expr()).prop_map(|(n, t, e)| format!("let~{n}:~{t}~=~{e}")),
        (plain(), expr()).prop_map(|(f, e)| format!("{f}.create(~{e}~,~)")),
        expr().prop_map(|e| format!("print~{e}")),
        (plain(), expr()).prop_map(|(n, e)| format!("site {n}~=~{n}({e})")),
        (plain(), braces(expr())).prop_map(|(n, b)| format!("scope {n} {b}")),
        (expr(), expr()).prop_map(|(a, b)| format!("assert~{a}~within~5min~,~{b}")),
        (plain(), ty(), expr()).prop_map(|(n, t, e)| format!("input {n}:~{t}~=~{e}")),
        Just("import \"a.edge\"".to_string()),
        expr().prop_map(|e| format!("(~{e}~)")),
    ];
    simple
        .prop_recursive(3, 12, 3, |inner| {
            let block = || block(inner.clone());
            prop_oneof![
                (plain(), block()).prop_map(|(n, b)| format!("at {n} {b}")),
                (plain(), expr(), block()).prop_map(|(n, e, b)| format!("at {n}:~{e}, image:~{n} {b}")),
                (plain(), ty(), expr(), block())
                    .prop_map(|(n, t, e, b)| format!("fn {n}(~a:~{t}~,~limit:~{t}~=~{e}~,~)~->~server~{b}")),
                (expr(), block(), block()).prop_map(|(e, a, b)| format!("if~({e})~{a}~else if~({e})~{b}~else~{a}")),
                (plain(), expr(), block()).prop_map(|(n, e, b)| format!("parallel for {n} in~({e})~{b}")),
                (plain(), block(), block()).prop_map(|(n, a, b)| format!("try~{a}~else~{n}~{b}")),
                block().prop_map(|b| format!("atomic~{b}")),
            ]
            .boxed()
        })
        .boxed()
}

fn line() -> BoxedStrategy<String> {
    let parts = select(
        &[
            "base \"/v2\"; pages by links",
            "speaks \"2.0\" .. \"2.9\"",
            "on 409 text \"busy\" -> busy",
            "named by name unique in project; found by { name: name }",
            "many \"things\" each \"thing\"",
            "marked at metadata.edge_effect as item since \"2.52\" found by { tags: marker }",
            "fields { id: String, name: String? from \"a:b\"\n once: Secret? from x once }",
            "fields {\n  ## Documented.\n  id: String # after\n\n  tags: [String] since \"2.1\"\n}",
            "definition { name } fixed { id }",
            "chosen id = uuid(effect)",
            "ready when status == \"ACTIVE\" && task_state == null; failed when status in [\"ERROR\"] because fault.message",
            "list (all: Bool?) GET \"/x\" query { all }",
            "undo none \"why\"",
        ][..],
    )
    .prop_map(str::to_string);
    let request = (select(&["GET", "POST", "DELETE"][..]), expression(false)).prop_map(|(method, e)| {
        format!("{method} \"/a/${{id}}\"\n  json (~{e}~) as \"application/json\"\n  unless (~{e}~) repeatable")
    });
    prop_oneof![parts, request]
        .prop_recursive(3, 12, 3, |inner| {
            let lines = || some(inner.clone(), "\n").prop_map(|l| format!("{{\n{l}\n}}"));
            prop_oneof![
                (plain(), lines()).prop_map(|(n, l)| format!("resource {n} at \"/x\" like thing {l}")),
                (plain(), ty(), lines())
                    .prop_map(|(n, t, l)| format!("op {n}(~a:~{t} since \"2.1\",~b:~{t}~) -> {n} {l}")),
                (expression(false), lines(), lines()).prop_map(|(e, a, b)| format!("if (~{e}~) {a} else {b}")),
                lines().prop_map(|l| format!("undo {l}")),
            ]
            .boxed()
        })
        .boxed()
}

fn program() -> impl Strategy<Value = String> {
    let service = some(line(), "\n").prop_map(|l| format!("## A service.\nservice s for http \"x\" {{\n{l}\n}}"));
    prop::collection::vec(prop_oneof![6 => statement(), 1 => service], 1..5).prop_map(|list| list.join("\n"))
}
