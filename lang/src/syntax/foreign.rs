//! Words that other languages use where this one has another: how the same is said here. They are names like any other
//! until something is wrong near them.
//!
//! `sign` says the same of signs, by what stands before them on the line.

pub(super) fn word(text: &str) -> Option<&'static str> {
    Some(match text {
        "def" | "func" | "function" | "proc" => "a function is written `fn name(parameter: Type) { ... }`",
        "var" | "const" | "auto" | "val" => "a value is named with `let name = ...`",
        "while" | "loop" | "until" => "there is no such loop: `for x in list { ... }` and `assert cond within 5min`",
        "foreach" => "a loop is written `for x in list { ... }`",
        "is" => "equality is written `==`, with `null`, too: `x == null`",
        "openstack" | "kubectl" | "nova" | "helm" | "terraform" | "aws" | "sudo" => {
            "this is no command line: an operation is written `server.create(\"web\", ...) @ Zone1`"
        }
        "resource" | "provider" | "variable" => {
            "what is to be there is written `server.ensure(\"web\", flavor: \"tiny\", image: \"cirros\") @ Zone1`"
        }
        "grep" | "awk" | "sed" | "jq" | "head" | "wc" => {
            "rows are chosen by `where name like \"*web*\"`, columns by `select`, and counted by `count(...)`"
        }
        "sleep" | "wait" => "what is waited for is said: `assert vm.status == \"ACTIVE\" within 5min`",
        "select" => "a query begins with its table: `server.list() @ Zone1 select name`",
        "export" => "a value is named with `let name = ...`",
        "seconds" | "second" | "sec" | "minutes" | "minute" | "hours" | "hour" => {
            "a time is one word: `30s`, `5min`, `2h`"
        }
        "return" => "there is no `return`: the value of a function is that of its last statement",
        "elif" | "elsif" | "elseif" => "this is written `else if`",
        "unless" => "this is written `if !cond { ... }`",
        "switch" | "match" | "case" => "cases are written `if ... { } else if ... { } else { }`",
        "catch" | "rescue" | "finally" => "this is written `try { ... } else e { ... }`",
        "use" | "require" | "include" | "from" | "import" => "another file is read with `import \"file.edge\"`",
        "echo" | "puts" | "println" | "printf" => "this is written `print value`",
        "XOR" | "Xor" | "eor" => "exactly one of two is written `A xor B`; of several, `exactly 1 of {A, B, C}`",
        "AND" | "And" => "this is written `&&`",
        "OR" | "Or" => "this is written `||`",
        "NOT" | "Not" => "this is written `!`",
        "minus" | "except" | "without" => "what is in one set and not in another is written `A - B`",
        _ => return None,
    })
}

/// What the rest of a line was meant to be, by how it begins and what stands before it on the line.
pub(super) fn sign(before: &str, rest: &str) -> Option<&'static str> {
    let before = before.trim_end();
    let head = before.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
    let placed = || before.rsplit_once('@').is_some_and(|(_, place)| !place.contains(['(', '{', '[', '\"']));
    Some(match rest.chars().next()? {
        ',' if placed() => "several sites are a set, `@ {A, B}`, or joined by `&&` and `||`",
        ':' if matches!(head, "for" | "if" | "else" | "while" | "try" | "def" | "with") => {
            "a block stands in braces: `for x in list { ... }`"
        }
        ':' if before == head => {
            "`name: value` stands in braces or parentheses; a statement calls an operation: `server.create(\"web\", ...)`"
        }
        '?' => "a choice is written `if cond { a } else { b }`; `x else b` gives b where x is null",
        '=' if before.ends_with(['+', '-', '*', '/', '|', '&']) => {
            "a name keeps its value: the new one gets a name of its own, `let`"
        }
        '"' if before.ends_with(['f', 'r', 'b', 'u']) => "a text is filled in as it is: `\"there are ${n}\"`",
        '*' if before.ends_with("count(") => "the rows of a table are counted by `count(table)`",
        '.' if rest.starts_with("..") => "the numbers below an end are `range(3)`, from a start `range(1, 3)`",
        'o' if before.ends_with('%') => "a share of sites is written `all but 10% of S`",
        '{' if before.contains("--") => {
            "a scope is given by `@ { compute: Zone1 }`; `--os-scope` is of `edge openstack ...`"
        }
        _ => return None,
    })
}

/// `server create web`: a word of an operation after a word, as on a command line.
pub(super) fn command(before: &str, here: &str) -> Option<String> {
    const OPERATIONS: [&str; 9] = ["create", "list", "show", "delete", "ensure", "set", "get", "start", "stop"];
    let resource = before.trim();
    let word = !resource.is_empty() && resource.chars().all(|c| c.is_alphanumeric() || c == '_');
    (word && OPERATIONS.contains(&here)).then(|| format!("an operation is called: `{resource}.{here}(...)`"))
}
