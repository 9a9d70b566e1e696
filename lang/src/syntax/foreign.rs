//! Words that other languages use where this one has another: how the same is said here. They are names like any other
//! until something is wrong near them.

pub(super) fn word(text: &str) -> Option<&'static str> {
    Some(match text {
        "def" | "func" | "function" | "proc" => "a function is written `fn name(parameter: Type) { ... }`",
        "var" | "const" | "auto" | "val" => "a value is named with `let name = ...`",
        "while" | "loop" | "until" => "there is no such loop: `for x in list { ... }` and `assert cond within 5min`",
        "foreach" => "a loop is written `for x in list { ... }`",
        "return" => "there is no `return`: the value of a function is that of its last statement",
        "elif" | "elsif" | "elseif" => "this is written `else if`",
        "unless" => "this is written `if !cond { ... }`",
        "switch" | "match" | "case" => "cases are written `if ... { } else if ... { } else { }`",
        "catch" | "rescue" | "finally" => "this is written `try { ... } else e { ... }`",
        "use" | "require" | "include" | "from" => "another file is read with `import \"file.edge\"`",
        "echo" | "puts" | "println" | "printf" => "this is written `print value`",
        "XOR" | "Xor" | "eor" => "exactly one of two is written `A xor B`; of several, `exactly 1 of {A, B, C}`",
        "AND" | "And" => "this is written `&&`",
        "OR" | "Or" => "this is written `||`",
        "NOT" | "Not" => "this is written `!`",
        "minus" | "except" | "without" => "what is in one set and not in another is written `A - B`",
        _ => return None,
    })
}
