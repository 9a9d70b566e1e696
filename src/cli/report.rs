//! What came of a run as one document, for other programs (`run -o json`, `-o yaml`): how it ended, what it printed, the value
//! of its last statement, each operation with what happened at each site, and what failed where.

use super::Status;
use super::arguments::Output;
use edge_lang::eval::Failure;
use edge_lang::inventory::Inventory;
use edge_lang::span::Sources;
use serde_json::{Map, Value as Json, json};

/// What is to be told; nothing of a run that never began.
pub struct Report<'a> {
    pub status: Status,
    /// The name under which it is kept.
    pub run: Option<&'a str>,
    pub printed: Vec<String>,
    pub value: Json,
    pub operations: Vec<Json>,
    pub failure: Option<&'a Failure>,
}

impl Report<'_> {
    /// The same members whatever happened.
    pub fn json(self, sources: &Sources, inventory: &Inventory) -> Json {
        json!({
            "status": word(self.status),
            "run": self.run,
            "printed": self.printed,
            "value": self.value,
            "operations": self.operations,
            "errors": self.failure.map_or_else(Vec::new, |failure| errors(failure, sources, inventory)),
        })
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Done => "done",
        Status::Failed => "failed",
        Status::Wrong => "wrong",
        Status::Owed => "owed",
    }
}

/// A failure, and those that are reported with it.
pub fn errors(failure: &Failure, sources: &Sources, inventory: &Inventory) -> Vec<Json> {
    let position = sources.position(failure.span);
    let file = sources.get(failure.span.file).map_or("", |source| &*source.name);
    let sites = failure.sites.iter().map(|(site, why)| (inventory.name(*site).to_string(), json!(why)));
    let one = json!({
        "code": failure.code.id,
        "message": failure.message,
        "place": { "file": file, "line": position.line, "column": position.column },
        "sites": Json::Object(sites.collect::<Map<_, _>>()),
        "help": failure.help,
    });
    let mut all = vec![one];
    all.extend(failure.also.iter().flat_map(|also| errors(also, sources, inventory)));
    all
}

/// On standard output. What is no document is not printed so.
pub fn print(document: &Json, format: Output) {
    match format {
        Output::Json => anstream::println!("{}", serde_json::to_string_pretty(document).unwrap_or_default()),
        Output::Yaml => anstream::print!("{}", serde_yaml::to_string(document).unwrap_or_default()),
        Output::Table | Output::Csv => {}
    }
}

/// Whether the result is a document of which what is printed is a part.
pub fn is_document(format: Output) -> bool {
    matches!(format, Output::Json | Output::Yaml)
}
