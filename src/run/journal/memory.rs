//! What an operation at one site knows of itself, as the journal keeps it: enough to look for what was sent, to fence it and
//! to undo it, and no secret. A secret is known by its type in the library; in its place stands that there was one.

use edge_lang::library::Resource;
use edge_lang::library::render::{Fields, Row};
use edge_lang::types::Type;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// A resource as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    pub id: Option<String>,
    pub fields: Fields,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    pub attempt: u32,
    /// The identity of this attempt can never serve again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub spent: bool,
    /// What only this attempt needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Known>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ticket_lost: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub making: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub changed: bool,
    /// Of a document: `before` is what was there, also where it is nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub seen: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Fields>,
    /// `before` is kept as it was, also what is a secret of documents in general: this one's kind holds none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<Known>,
    /// Where they are not those of the step: what was made is of another resource.
    pub service: String,
    pub resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Json>,
    /// In words: what is there, or the last trouble.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub word: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

impl Known {
    pub fn of(row: &Row, resource: Option<&Resource>) -> Known {
        Known { id: row.id.clone(), fields: hide(&row.fields, resource) }
    }

    pub fn row(&self) -> Row {
        Row { id: self.id.clone(), fields: self.fields.clone() }
    }
}

/// The fields without their secrets. What the library does not describe is kept only where it is a name or an id: the ends
/// of a link are.
pub fn hide(fields: &Fields, resource: Option<&Resource>) -> Fields {
    let kept = |(name, value): (&edge_lang::types::Name, &Json)| match resource.and_then(|r| r.fields.get(name)) {
        Some(field) => Some((name.clone(), hidden(value, &field.ty))),
        None if resource.is_some_and(Resource::is_link) || &**name == "id" => Some((name.clone(), value.clone())),
        None => None,
    };
    fields.iter().filter_map(kept).collect()
}

/// Whether `hide` has left out a secret of it.
pub fn lacks_secret(value: &Json) -> bool {
    match value {
        Json::Object(members) if is_mark(members) => true,
        Json::Object(members) => members.values().any(lacks_secret),
        Json::Array(items) => items.iter().any(lacks_secret),
        _ => false,
    }
}

fn is_mark(members: &serde_json::Map<String, Json>) -> bool {
    members.len() == 1 && members.get("secret").is_some_and(|s| s == NOT_KEPT)
}

/// Null stands where `hide` left that there was a secret.
pub fn forget_secrets(value: &mut Json) {
    match value {
        Json::Object(members) if is_mark(members) => *value = Json::Null,
        Json::Object(members) => members.values_mut().for_each(forget_secrets),
        Json::Array(items) => items.iter_mut().for_each(forget_secrets),
        _ => {}
    }
}

const NOT_KEPT: &str = "not kept";

/// A value without the secrets that its type says.
pub fn hidden(value: &Json, ty: &Type) -> Json {
    match (ty.present(), value) {
        (_, Json::Null) => Json::Null,
        (Type::Secret, _) => json!({ "secret": NOT_KEPT }),
        (Type::List(of), Json::Array(items)) => items.iter().map(|item| hidden(item, of)).collect(),
        (Type::Record(fields), Json::Object(members)) => {
            let member = |(name, value): (&String, &Json)| match fields.get(name.as_str()) {
                Some(ty) => (name.clone(), hidden(value, ty)),
                None => (name.clone(), value.clone()),
            };
            Json::Object(members.iter().map(member).collect())
        }
        (Type::Map(of), Json::Object(members)) => {
            Json::Object(members.iter().map(|(name, value)| (name.clone(), hidden(value, of))).collect())
        }
        _ => value.clone(),
    }
}
