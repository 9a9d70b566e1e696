//! What a network, subnet, port, router, security group and rule are made of: the table `kinds.txt`, as Neutron has it.
//!
//! It says which attributes a client may give when it creates or changes a resource, what stands there when it says
//! nothing, and which of them only administrators see. Everything that is the same for all kinds (lists, filters,
//! validation, revisions) is read off it.

use serde_json::Value;
use std::sync::LazyLock;

pub(super) struct Kind {
    /// As in paths.
    pub path: &'static str,
    /// As in bodies.
    pub plural: &'static str,
    pub singular: &'static str,
    /// As in the names of errors.
    pub name: &'static str,
    pub attributes: Vec<Attribute>,
}

#[derive(Clone)]
pub(super) struct Attribute {
    pub name: &'static str,
    pub form: Form,
    pub given: Given,
    /// What stands there when a client says nothing; `None` where it has to say it.
    pub preset: Option<Value>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    Text,
    /// Text, or nothing.
    Maybe,
    Bool,
    Int,
    MaybeInt,
    List,
    /// An object, or nothing.
    Object,
}

/// When a client may set it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Given {
    Never,
    Created,
    Always,
    /// By administrators, who alone see it.
    Admin,
}

pub(super) static KINDS: LazyLock<Vec<Kind>> =
    LazyLock::new(|| table(include_str!("kinds.txt")).expect("the table of kinds is well formed"));

/// Attributes stand indented below their kind; those of `every` are in each.
fn table(text: &'static str) -> Result<Vec<Kind>, String> {
    let (mut every, mut kinds): (Vec<Attribute>, Vec<Kind>) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let words: Vec<&'static str> = line.split_whitespace().collect();
        match (line.starts_with(' '), &words[..]) {
            (false, ["every"]) => {}
            (false, [path, plural, singular, name]) => {
                kinds.push(Kind { path, plural, singular, name, attributes: every.clone() });
            }
            (true, [name, form, given, preset]) => {
                let of = kinds.last_mut().map_or(&mut every, |kind| &mut kind.attributes);
                of.retain(|a| a.name != *name);
                of.push(attribute(name, form, given, preset).ok_or(line)?);
            }
            _ => return Err(line.into()),
        }
    }
    Ok(kinds)
}

fn attribute(name: &'static str, form: &str, given: &str, preset: &str) -> Option<Attribute> {
    let form = match form {
        "text" => Form::Text,
        "text?" => Form::Maybe,
        "bool" => Form::Bool,
        "int" => Form::Int,
        "int?" => Form::MaybeInt,
        "list" => Form::List,
        "object?" => Form::Object,
        _ => return None,
    };
    let given = match given {
        "never" => Given::Never,
        "created" => Given::Created,
        "always" => Given::Always,
        "admin" => Given::Admin,
        _ => return None,
    };
    let preset = match preset {
        "required" => None,
        "later" => Some(Value::Null),
        json => Some(serde_json::from_str(json).ok()?),
    };
    Some(Attribute { name, form, given, preset })
}

impl Kind {
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// Standard attributes that every kind has besides its own.
    pub fn knows(&self, name: &str) -> bool {
        self.attribute(name).is_some() || ["created_at", "updated_at", "revision_number", "tags"].contains(&name)
    }
}
