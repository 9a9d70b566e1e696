//! OpenAPI v2 in the binary form that kubectl reads it in: the `Document` of gnostic's openapi_v2, by its field numbers.
//!
//! Only what [`super::openapi`] writes is known here.

use serde_json::Value;

/// A protobuf message on its way out.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, field: u64, value: &Value) {
        if let Some(text) = value.as_str() {
            self.bytes(field, text.as_bytes());
        }
    }

    fn inner(&mut self, field: u64, message: Message) {
        self.bytes(field, &message.0);
    }

    /// An entry of a map: name and value.
    fn named(&mut self, field: u64, name: &str, value: Message) {
        let mut entry = Message::default();
        entry.bytes(1, name.as_bytes());
        entry.inner(2, value);
        self.inner(field, entry);
    }

    /// What OpenAPI does not know goes as text in YAML, of which JSON is a kind.
    fn extensions(&mut self, field: u64, map: &Value) {
        let own = map.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("x-"));
        for (name, value) in own {
            let mut any = Message::default();
            any.bytes(2, value.to_string().as_bytes());
            self.named(field, name, any);
        }
    }
}

pub fn encode(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, &document["swagger"]);
    let mut info = Message::default();
    info.text(1, &document["info"]["title"]);
    info.text(2, &document["info"]["version"]);
    out.inner(2, info);
    let mut paths = Message::default();
    for (path, item) in entries(&document["paths"]) {
        paths.named(2, path, path_item(item));
    }
    out.inner(8, paths);
    let mut definitions = Message::default();
    for (name, schema) in entries(&document["definitions"]) {
        definitions.named(1, name, self::schema(schema));
    }
    out.inner(9, definitions);
    out.0
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn path_item(item: &Value) -> Message {
    let mut out = Message::default();
    for (field, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        if item[method].is_object() {
            out.inner(field, operation(&item[method]));
        }
    }
    out
}

fn operation(operation: &Value) -> Message {
    let mut out = Message::default();
    out.text(5, &operation["operationId"]);
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let mut query = Message::default();
        query.text(2, &parameter["in"]);
        query.text(4, &parameter["name"]);
        query.text(6, &parameter["type"]);
        // A parameter, that is no body, in the query.
        let (mut kind, mut plain, mut item) = (Message::default(), Message::default(), Message::default());
        kind.inner(3, query);
        plain.inner(2, kind);
        item.inner(1, plain);
        out.inner(8, item);
    }
    let mut responses = Message::default();
    for (code, response) in entries(&operation["responses"]) {
        let (mut value, mut said) = (Message::default(), Message::default());
        said.text(1, &response["description"]);
        value.inner(1, said);
        responses.named(1, code, value);
    }
    out.inner(9, responses);
    out.extensions(13, operation);
    out
}

fn schema(schema: &Value) -> Message {
    let mut out = Message::default();
    out.text(1, &schema["$ref"]);
    out.text(2, &schema["format"]);
    for needed in schema["required"].as_array().into_iter().flatten() {
        out.text(19, needed);
    }
    match &schema["additionalProperties"] {
        Value::Object(_) => {
            let mut item = Message::default();
            item.inner(1, self::schema(&schema["additionalProperties"]));
            out.inner(21, item);
        }
        Value::Bool(true) => {
            let mut item = Message::default();
            item.varint(2 << 3);
            item.varint(1);
            out.inner(21, item);
        }
        _ => {}
    }
    if schema["type"].is_string() {
        let mut kind = Message::default();
        kind.text(1, &schema["type"]);
        out.inner(22, kind);
    }
    if schema["items"].is_object() {
        let mut items = Message::default();
        items.inner(1, self::schema(&schema["items"]));
        out.inner(23, items);
    }
    if schema["properties"].is_object() {
        let mut properties = Message::default();
        for (name, inner) in entries(&schema["properties"]) {
            properties.named(1, name, self::schema(inner));
        }
        out.inner(25, properties);
    }
    out.extensions(31, schema);
    out
}
