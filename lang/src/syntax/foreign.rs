//! Words that other languages use where this one has another: how the same is said here. They are names like any other
//! until something is wrong near them.
//!
//! `sign` says the same of signs, by what stands before them on the line; `value`, `function`, `service` and `resource` of
//! names that turn out to mean nothing.

pub(crate) fn word(text: &str) -> Option<&'static str> {
    Some(match text {
        "def" | "func" | "function" | "proc" => "a function is written `fn name(parameter: Type) { ... }`",
        "var" | "const" | "auto" | "val" => "a value is named with `let name = ...`",
        "while" | "loop" | "until" => "there is no such loop: `for x in list { ... }` and `assert cond within 5min`",
        "foreach" => "a loop is written `for x in list { ... }`",
        "is" => "equality is written `==`, with `null`, too: `x == null`",
        "with" => "where a block is, is said by `at Zone1 { ... }`",
        "mut" => "a name keeps its value: there is no `mut`",
        "locals" => "a value is named with `let name = ...`",
        "output" => "this is written `print value`",
        "for_each" => "a loop is written `for x in list { ... }`",
        "lambda" => "a function has a name, `fn name(parameter: Type) { ... }`, and stands before its use",
        "apply" => "a manifest is applied by `apply(file(\"shop.yaml\")) @ K1`",
        "one" => "one site of several is `exactly 1 of S`, or `any of S` where the first that can will do",
        "at_least" | "at_most" | "all_of" | "any_of" | "none_of" | "atleast" | "atmost" => {
            "this is written apart: `at least 2 of S`, `all of S`"
        }
        "order" | "sort" | "sorted" => "rows are put in order by `order by name`, or `order by name desc`",
        "having" => {
            "groups are chosen of the query in parentheses: `(... group by a select a, count() as n) where n > 1`"
        }
        "between" => "both ends are compared: `ram >= 1 && ram <= 5`",
        "then" | "do" | "done" | "fi" | "end" | "begin" | "esac" => "a block stands in braces: `if cond { ... }`",
        "exit" | "quit" | "abort" | "die" | "panic" | "raise" | "throw" => {
            "a program goes to its end; it is stopped by `assert cond, \"why\"`"
        }
        "break" | "continue" | "pass" => {
            "a loop goes through its list: choose what is in it, `for x in table where ...`"
        }
        "min" | "mins" | "ms" | "s" | "h" | "GB" | "MB" | "KB" | "TB" | "GiB" | "MiB" | "KiB" | "Gi" | "Mi" => {
            "a number and its unit are one word: `5min`, `10GB`"
        }
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
    let ends = |word: &str| before.strip_suffix(word).is_some_and(|b| b.ends_with(char::is_whitespace) || b.is_empty());
    let placed = || before.rsplit_once('@').is_some_and(|(_, place)| !place.contains(['(', '{', '[', '\"']));
    Some(match rest.chars().next()? {
        ',' if placed() => "several sites are a set, `@ {A, B}`, or joined by `&&` and `||`",
        ':' if matches!(head, "for" | "if" | "else" | "while" | "try" | "def" | "with") => {
            "a block stands in braces: `for x in list { ... }`"
        }
        ':' if before == head => {
            "`name: value` stands in braces or parentheses; a statement calls an operation: `server.create(\"web\", ...)`"
        }
        '?' if rest.starts_with("?.") => "a field of what may be null is of `x else y`: `(x else y).f`",
        '?' if rest.starts_with("??") => "a value instead of null is `x else y`",
        '?' => {
            "`if cond { ... } else { ... }` is a statement; a value is chosen by a function, and `x else b` is b where x is null"
        }
        ',' | ')' if head == "fn" => "a parameter has a type: `fn f(name: String, n: Int = 1) { ... }`",
        '*' if head == "fn" => {
            "a function takes so many parameters as it names; several values are a list, `xs: [Int]`"
        }
        ':' if head == "fn" && before.ends_with(')') => {
            "what a function gives is written `fn f(n: Int) -> Int { ... }`"
        }
        '=' | ':' if head == "scope" => "a scope is named without a sign: `scope west { compute: A, image: B }`",
        '{' if ends("scope") => {
            "a scope is named by `scope west { compute: A }`, or written where it holds, `@ { compute: A }`"
        }
        ':' if head == "site" => "a site is defined by how it is reached: `site A = openstack(cloud: \"a\")`",
        '=' if head == "input" => "an input has a type: `input n: Int = 3`",
        ',' if head == "let" && !before.contains('=') => "`let` names one value; each gets a line of its own",
        '(' if ends("let") => "`let` names one value; each gets a line of its own",
        ',' if head == "at" => "several sites are a set, `at {A, B} { ... }`",
        ',' if before.starts_with("assert(") => {
            "the reason stands behind the condition, outside of parentheses: `assert cond, \"why\"`"
        }
        ',' if before.starts_with("print(") => "one value is printed: `print \"${a} ${b}\"`",
        '"' if head == "if" && before.contains('[') => "a condition is written `x == \"\"`, without brackets",
        '"' if head == "assert" => "a comma stands before the reason: `assert cond, \"why\"`",
        'f' if head == "assert" && rest.starts_with("for ") => {
            "the time is said by `within`: `assert cond within 5min`"
        }
        'f' if before.contains('[') && rest.starts_with("for ") => {
            "a column of rows is `table select name`; over a list one goes with `for x in list { ... }`"
        }
        'i' if rest.starts_with("if ") => {
            "`if` is a statement; a value is chosen by a function, `fn f(c: Bool) -> Int { if c { 1 } else { 2 } }`"
        }
        'o' | 'a' if before.ends_with(')') && (rest.starts_with("on ") || rest.starts_with("at ")) => {
            "where an operation goes is written behind it: `server.list() @ Zone1`"
        }
        c if head == "ensure" && c.is_alphabetic() => {
            "an operation is one of a resource: `server.ensure(\"web\", flavor: \"tiny\", image: \"cirros\") @ Zone1`"
        }
        c if (ends("any") || ends("all")) && (c == '{' || c.is_alphabetic()) && !rest.starts_with("of ") => {
            "all of a set is `all of S`, one of it `any of S`, and every site `sites`"
        }
        'n' if rest.starts_with("not in ") => "this is written `!(x in list)`",
        's' | 'r' if head == "at" && rest.split(['(', '\n']).next().is_some_and(|w| w.contains('.')) => {
            "what happens there stands in braces, `at Zone1 { ... }`; for one operation, `server.list() @ Zone1`"
        }
        '[' | '(' if ends("with") => "a policy stands in braces: `with { timeout: 30s }`",
        _ if ends("with") && rest.split(':').next().is_some_and(|w| w.chars().all(char::is_alphanumeric)) => {
            "a policy stands in braces: `with { timeout: 30s }`"
        }
        _ if ends("desc") || ends("asc") => "the direction stands behind: `order by name desc`",
        _ if ends("-n") => "the namespace is said by `with { tenant: \"shop\" }`",
        '@' if before.contains(" where ") || before.contains(" select ") => {
            "where it goes stands before the query: `server.list() @ Zone1 where ...`"
        }
        '-' if rest.starts_with("->") && head == "copy" => "where the copy goes is written `copy(x) @ Zone2`",
        '>' if before.ends_with('=') => "a function has a name: `fn f(x: Int) { x + 1 }`",
        '>' if before.ends_with('<') => "this is written `!=`",
        '=' if before.ends_with("==") => "equality is written `==`",
        '+' if before.ends_with('+') => "a name keeps its value: the new one gets a name of its own, `let`",
        '<' if before.ends_with('=') && rest.starts_with("<<") => "a text of several lines stands between `\"\"\"`",
        '|' if before.ends_with('=') => "a text of several lines stands between `\"\"\"`",
        '*' if before.ends_with('*') => "there is no power; `*` multiplies",
        '*' if before.ends_with('@') => "every site is `sites`",
        '*' if ends("select") => "without `select` every column is there",
        ':' if before.contains('[') && !before.contains('{') => "a list has no slices: one item is `xs[0]`",
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

/// A value that other languages have under this name.
pub(crate) fn value(text: &str) -> Option<&'static str> {
    Some(match text {
        "None" | "nil" | "NULL" | "Null" | "undefined" | "none" => "no value is written `null`",
        "True" | "TRUE" | "yes" => "this is written `true`",
        "False" | "FALSE" | "no" => "this is written `false`",
        "all" | "everywhere" | "ALL" => "every site is `sites`; all of a set is `all of S`",
        "var" | "vars" | "inputs" | "params" => "an input is declared, `input name: String`, and then used by its name",
        "env" | "environ" | "os" | "args" | "argv" => {
            "what comes from outside is declared, `input name: String`, and set by `--var name=value`"
        }
        // The short ones are names more often than words of others.
        _ if text.len() > 2 => return word(text),
        _ => return None,
    })
}

/// A function that other languages have under this name.
pub(crate) fn function(text: &str) -> Option<&'static str> {
    Some(match text {
        "env" | "getenv" | "environ" => {
            "what comes from outside is declared, `input name: String`, and set by `--var name=value`; a secret is `secret(\"NAME\")`"
        }
        "open" | "readfile" | "cat" => "a file to be sent is `file(path)`, its text `read(path)`",
        "str" | "string" | "String" | "format" | "sprintf" | "repr" => "a value becomes text in one: `\"${value}\"`",
        "size" | "length" | "length_of" => "how many there are is `count(x)`",
        "map" | "filter" | "select" => {
            "rows are chosen by `where`, columns by `select`; a list is gone through by `for`"
        }
        "sort" | "sorted" => "rows are put in order by `order by name`",
        "append" | "push" | "concat" => "lists are joined by `+`: `xs + [x]`",
        "exists" | "isset" | "defined" => {
            "whether there are rows is `!empty(table)`, and whether a value is there `x != null`"
        }
        "yaml" | "yamldecode" | "jsondecode" | "loads" => "a text of JSON is read by `json(text)`",
        "run" | "exec" | "system" | "shell" | "subprocess" => "no command is run; operations are in `edge doc`",
        _ => return word(text),
    })
}

/// The service that a project of OpenStack is known for.
pub fn service(text: &str) -> Option<&'static str> {
    Some(match text {
        "nova" | "Nova" => "compute",
        "glance" | "Glance" => "image",
        "neutron" | "Neutron" | "quantum" => "network",
        "keystone" | "Keystone" => "identity",
        "cinder" | "Cinder" => "volume",
        "swift" | "Swift" => "object_store",
        "heat" | "Heat" => "orchestration",
        "k8s" => "kubernetes",
        "networking" | "networks" => "network",
        "storage" | "images" => "image",
        _ => return None,
    })
}

/// The resource that is called so elsewhere, or in short.
pub fn resource(text: &str) -> Option<&'static str> {
    Some(match text {
        "instance" | "instances" | "vm" | "vms" | "VM" | "machine" | "virtual_machine" => "server",
        "tenant" | "tenants" => "project",
        "ssh_key" | "sshkey" | "key" => "keypair",
        "secgroup" | "firewall" => "security_group",
        "deploy" => "deployment",
        "po" => "pod",
        "svc" => "service",
        "cm" => "configmap",
        "ns" => "namespace",
        "ds" => "daemonset",
        "sts" => "statefulset",
        "ing" => "ingress",
        "pvc" => "persistentvolumeclaim",
        "manifest" | "resource" => "object",
        _ => return None,
    })
}
