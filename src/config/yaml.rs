//! YAML 1.1 as PyYAML's safe loader reads it, because clouds.yaml is written for that one: `no` is a boolean and `"no"`
//! is text, `0123` is 83, `1:30` is 90, `<<` merges. Every node keeps its line, for errors.
//!
//! The hard idea: what a plain scalar is depends on how it was written, so the parser's events are read here, and not
//! through serde. Depth and size are bounded; aliases count in full, so that they cannot multiply without limit.

use indexmap::IndexMap;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;

const MAX_DEPTH: usize = 64;
const MAX_NODES: usize = 1_000_000;
/// Longer ones are text: converting them takes time that grows with the square.
const MAX_DIGITS: usize = 4_300;

/// No `Debug`: there are passwords in it.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// From 1; 0 where there is no file.
    pub line: usize,
    pub kind: Kind,
}

#[derive(Clone, PartialEq)]
pub enum Kind {
    Null,
    Bool(bool),
    /// Decimal digits, of any length.
    Int(String),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In written order; of a key given twice, the last.
    Map(IndexMap<String, Node>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    pub line: usize,
    pub message: String,
}

pub type Map = IndexMap<String, Node>;

impl Node {
    pub fn text(line: usize, text: impl Into<String>) -> Node {
        Node { line, kind: Kind::Text(text.into()) }
    }

    pub fn map(&self) -> Option<&Map> {
        match &self.kind {
            Kind::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn list(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::List(list) => Some(list),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// A scalar as Python's `str()` writes it; `None` for null, lists and maps.
    pub fn scalar(&self) -> Option<String> {
        match &self.kind {
            Kind::Bool(true) => Some("True".into()),
            Kind::Bool(false) => Some("False".into()),
            Kind::Int(digits) => Some(digits.clone()),
            Kind::Float(value) => Some(python_float(*value)),
            Kind::Text(text) => Some(text.clone()),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// What it is, in an error message.
    pub fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Int(_) | Kind::Float(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

/// The first document; an empty file is null.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::new(text, resolve);
    loop {
        match reader.next()? {
            (Event::StreamEnd, span) => return Ok(Node { line: span.start.line(), kind: Kind::Null }),
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (event, span) => {
                let node = reader.node(event, span, 0)?;
                // What follows is read to its end too, so that a broken tail is an error and not ignored.
                loop {
                    match reader.next()? {
                        (Event::StreamEnd, _) => return Ok(node),
                        (Event::DocumentStart(_), span) => {
                            return Err(error(span.start.line(), "a second document begins; one is expected"));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

/// Every document of a text that describes things for Kubernetes, as kubectl reads it; one without anything is null.
pub fn documents(text: &str) -> Result<Vec<Node>, YamlError> {
    let mut reader = Reader::new(text.strip_prefix('\u{feff}').unwrap_or(text), resolve_as_kubectl);
    let mut all = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(all),
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {
                // An alias does not reach into another document.
                reader.anchors.clear();
            }
            (event, span) => all.push(reader.node(event, span, 0)?),
        }
    }
}

/// The same tree from JSON, which has no lines to tell.
pub fn from_json(text: &str) -> Result<Node, YamlError> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|e| error(e.line(), e.to_string()))?;
    fn convert(value: serde_json::Value) -> Node {
        let kind = match value {
            serde_json::Value::Null => Kind::Null,
            serde_json::Value::Bool(b) => Kind::Bool(b),
            serde_json::Value::Number(n) => match n.as_f64() {
                Some(float) if n.is_f64() => Kind::Float(float),
                _ => Kind::Int(n.to_string()),
            },
            serde_json::Value::String(s) => Kind::Text(s),
            serde_json::Value::Array(items) => Kind::List(items.into_iter().map(convert).collect()),
            serde_json::Value::Object(map) => Kind::Map(map.into_iter().map(|(k, v)| (k, convert(v))).collect()),
        };
        Node { line: 0, kind }
    }
    Ok(convert(value))
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    /// What a plain scalar is.
    resolve: fn(&str) -> Kind,
}

fn error(line: usize, message: impl Into<String>) -> YamlError {
    YamlError { line, message: message.into() }
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, resolve: fn(&str) -> Kind) -> Reader<'a> {
        Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0, resolve }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(e)) => Err(error(e.marker().line(), e.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), YamlError> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES { Err(error(line, "too large, or its aliases multiply without end")) } else { Ok(()) }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, YamlError> {
        let line = span.start.line();
        if depth > MAX_DEPTH {
            return Err(error(line, "nested too deeply"));
        }
        let before = self.nodes;
        self.count(1, line)?;
        let (anchor, kind) = match event {
            Event::Alias(anchor) => {
                let (node, size) =
                    self.anchors.get(&anchor).cloned().ok_or_else(|| error(line, "an alias of what is not there"))?;
                self.count(size, line)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.filter(|t| t.is_yaml_core_schema());
                let plain = matches!(style, ScalarStyle::Plain);
                let kind = match tag.as_ref().map(|t| t.suffix.as_str()) {
                    Some("str") => Kind::Text(text.into_owned()),
                    Some(_) => (self.resolve)(&text),
                    None if plain => (self.resolve)(&text),
                    None => Kind::Text(text.into_owned()),
                };
                (anchor, kind)
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (Event::StreamEnd, span) => return Err(error(span.start.line(), "a list does not end")),
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
                (anchor, Kind::List(items))
            }
            Event::MappingStart(anchor, _) => (anchor, Kind::Map(self.mapping(depth)?)),
            _ => return Err(error(line, "not a value")),
        };
        let node = Node { line, kind };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn mapping(&mut self, depth: usize) -> Result<Map, YamlError> {
        let mut own = Map::new();
        let mut merged: Vec<Map> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let line = span.start.line();
            let merge = match &event {
                Event::MappingEnd => break,
                Event::StreamEnd => return Err(error(line, "a mapping does not end")),
                Event::Scalar(text, ScalarStyle::Plain, _, None) => text == "<<",
                _ => false,
            };
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let mut value = self.node(event, span, depth + 1)?;
            if merge {
                match value.kind {
                    Kind::Map(map) => merged.push(map),
                    Kind::List(list) => {
                        for item in list {
                            match item.kind {
                                Kind::Map(map) => merged.push(map),
                                _ => {
                                    return Err(error(
                                        line,
                                        "`<<` merges mappings, and this list holds something else",
                                    ));
                                }
                            }
                        }
                    }
                    _ => return Err(error(line, format!("`<<` merges a mapping, not {}", value.what()))),
                }
                continue;
            }
            let name = match &key.kind {
                Kind::Null => "None".to_string(),
                _ => key.scalar().ok_or_else(|| error(line, format!("{} cannot be a key", key.what())))?,
            };
            // Errors point at the key: a mapping's own line is that of its first entry.
            value.line = line;
            own.insert(name, value);
        }
        if merged.is_empty() {
            return Ok(own);
        }
        // Own keys win over merged ones, and earlier merged ones over later.
        let mut all = Map::new();
        for map in merged {
            for (key, value) in map {
                all.entry(key).or_insert(value);
            }
        }
        all.extend(own);
        Ok(all)
    }
}

/// What a plain scalar is, by YAML 1.1's table as PyYAML has it.
fn resolve(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Kind::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Kind::Bool(false),
        _ => {}
    }
    if let Some(digits) = integer(text) {
        return Kind::Int(digits);
    }
    match float(text) {
        Some(value) => Kind::Float(value),
        None => Kind::Text(text.to_string()),
    }
}

/// The same, but for `1:30` and `8080:80`, which are texts, and `1e3`, which is a number.
fn resolve_as_kubectl(text: &str) -> Kind {
    if text.contains(':') {
        return Kind::Text(text.to_string());
    }
    match resolve(text) {
        Kind::Text(text) if text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(['e', 'E']) => {
            match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Kind::Float(number),
                _ => Kind::Text(text),
            }
        }
        other => other,
    }
}

fn integer(text: &str) -> Option<String> {
    let (sign, rest) = sign(text);
    let number = |digits: &str, base: u8| {
        let digits = digits.bytes().filter(|b| *b != b'_').map(|b| (b as char).to_digit(base.into()).map(|d| d as u8));
        let digits = digits.collect::<Option<Vec<u8>>>()?;
        (1..=MAX_DIGITS).contains(&digits.len()).then(|| decimal(&digits, base))
    };
    let digits = if let Some(binary) = rest.strip_prefix("0b") {
        number(binary, 2)?
    } else if let Some(hex) = rest.strip_prefix("0x") {
        number(hex, 16)?
    } else if rest == "0" {
        "0".into()
    } else if let Some(octal) = rest.strip_prefix('0') {
        number(octal, 8)?
    } else if rest.contains(':') {
        sexagesimal(rest)?
    } else {
        if !rest.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        number(rest, 10)?
    };
    Some(if sign == "-" && digits != "0" { format!("-{digits}") } else { digits })
}

fn sign(text: &str) -> (&str, &str) {
    match text.as_bytes().first() {
        Some(b'+' | b'-') => text.split_at(1),
        _ => ("", text),
    }
}

/// `1:30` is ninety: base sixty, as clocks count.
fn sexagesimal(text: &str) -> Option<String> {
    let mut parts = text.split(':');
    let first: String = parts.next()?.chars().filter(|c| *c != '_').collect();
    if !first.starts_with(|c: char| ('1'..='9').contains(&c)) || !first.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut value: u128 = first.parse().ok()?;
    for part in parts {
        if part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let part: u128 = part.parse().ok().filter(|p| *p < 60)?;
        value = value.checked_mul(60)?.checked_add(part)?;
    }
    Some(value.to_string())
}

/// Digits of any base and length, as decimal text.
fn decimal(digits: &[u8], base: u8) -> String {
    if base == 10 {
        let text: String = digits.iter().skip_while(|d| **d == 0).map(|d| (b'0' + d) as char).collect();
        return if text.is_empty() { "0".into() } else { text };
    }
    // Least significant first.
    let mut result: Vec<u8> = vec![0];
    for digit in digits {
        let mut carry = u32::from(*digit);
        for place in &mut result {
            let value = u32::from(*place) * u32::from(base) + carry;
            *place = (value % 10) as u8;
            carry = value / 10;
        }
        while carry > 0 {
            result.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    result.iter().rev().map(|d| (b'0' + d) as char).collect()
}

fn float(text: &str) -> Option<f64> {
    let (sign, rest) = sign(text);
    let value = match rest {
        ".inf" | ".Inf" | ".INF" => f64::INFINITY,
        ".nan" | ".NaN" | ".NAN" if sign.is_empty() => f64::NAN,
        _ => {
            // A point is obligatory, and so is the exponent's sign: `1e3` is text.
            let (mantissa, exponent) = match rest.find(['e', 'E']) {
                Some(at) => {
                    let exponent = &rest[at + 1..];
                    let digits = exponent.strip_prefix(['+', '-'])?;
                    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                        return None;
                    }
                    (&rest[..at], exponent)
                }
                None => (rest, "+0"),
            };
            let (whole, part) = mantissa.split_once('.')?;
            let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || b == b'_');
            let fits = match whole.as_bytes().first() {
                None => sign.is_empty() && part.starts_with(|c: char| c.is_ascii_digit()),
                Some(first) => first.is_ascii_digit(),
            };
            if !fits || !digits(whole) || !digits(part) {
                return None;
            }
            let clean = |s: &str| s.replace('_', "");
            format!("0{}.{}0e{exponent}", clean(whole), clean(part)).parse().ok()?
        }
    };
    Some(if sign == "-" { -value } else { value })
}

/// As Python's `repr` writes it: shortest digits, an exponent from 1e16 on and below 1e-4.
fn python_float(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    let text = format!("{value}");
    if text.contains('.') { text } else { format!("{text}.0") }
}
