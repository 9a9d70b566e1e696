//! `edge check FILE...`: parse and type-check, without any request.

use super::arguments::Check;
use super::{Status, Workplace, draw};
use std::path::Path;

pub fn check(workplace: Workplace, arguments: Check) -> Status {
    let mut worst = Status::Done;
    let texts = arguments.files.iter().map(|f| workplace.read(f)).chain(
        arguments
            .eval
            .map(|text| Ok(super::load::Text { name: "-e".into(), base: Path::new(".").to_path_buf(), text })),
    );
    for text in texts {
        match text.and_then(|text| workplace.load(text)) {
            Ok(loaded) => {
                draw::diagnostics(&loaded.sources, &loaded.checked.diagnostics);
                if loaded.has_errors() {
                    worst = Status::Wrong;
                }
            }
            Err(trouble) => {
                trouble.print();
                worst = Status::Wrong;
            }
        }
    }
    worst
}
