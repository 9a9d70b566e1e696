//! `edge explain E0201`: the page of a diagnostic code.

use super::Status;
use super::arguments::Explain;
use edge_lang::codes;

pub fn explain(arguments: Explain) -> Status {
    let Some(wanted) = arguments.code else {
        for code in codes::all() {
            anstream::println!("{}  {}", code.id, code.title);
        }
        return Status::Done;
    };
    match codes::all().find(|c| c.id.eq_ignore_ascii_case(&wanted)) {
        Some(code) => {
            anstream::println!("{}", code.page.trim_end());
            Status::Done
        }
        None => {
            let near = edge_lang::diagnostic::nearest(&wanted.to_uppercase(), codes::all().map(|c| c.id));
            anstream::eprintln!("error: no code `{wanted}`");
            anstream::eprintln!(
                "help: {}",
                match near {
                    Some(near) => format!("is `{near}` meant? `edge explain` lists all codes"),
                    None => "`edge explain` lists all codes".to_string(),
                }
            );
            Status::Wrong
        }
    }
}
