//! Every code that is declared is brought about by some case.

use super::support;
use std::collections::BTreeSet;
use std::path::Path;

/// Those that no case can show, and what shows them instead.
const ELSEWHERE: [(&str, &str); 4] = [
    ("E0120", "a text of more than 4 GiB"),
    ("E0190", "a fault of the formatter: `syntax_fuzz` looks for one"),
    ("E0516", "100,000,000 evaluations: `lang/src/eval/tests.rs` begins with most of them spent"),
    ("E0611", "a folder that cannot be written, a file that is damaged: `kept.rs`"),
];

#[test]
fn every_code_is_in_an_expected_file() {
    let root = support::root().join("tests");
    let shown: String = ["expected", "txt"]
        .iter()
        .flat_map(|ending| support::files(&root, ending))
        .map(|file| support::read(Path::new(&file)))
        .collect();
    let stages = [
        edge_lang::syntax::codes::ALL,
        edge_lang::check::codes::ALL,
        edge_lang::library::codes::ALL,
        edge_lang::eval::codes::ALL,
        edge_lang::codes::run::ALL,
    ];
    let declared: BTreeSet<&str> = stages.iter().flat_map(|stage| stage.iter()).map(|code| code.id).collect();
    let missing: Vec<&&str> = declared
        .iter()
        .filter(|id| !shown.contains(**id) && ELSEWHERE.iter().all(|(elsewhere, _)| elsewhere != *id))
        .collect();
    assert!(missing.is_empty(), "no case brings about {missing:?}");
    let needless: Vec<&str> = ELSEWHERE.iter().map(|(id, _)| *id).filter(|id| shown.contains(id)).collect();
    assert!(needless.is_empty(), "{needless:?} are shown after all");
    let pages: BTreeSet<String> = support::files(&root.join("../lang/errors"), "md")
        .iter()
        .filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    let of_none: Vec<&String> = pages.iter().filter(|page| !declared.contains(page.as_str())).collect();
    assert!(of_none.is_empty(), "pages without a code: {of_none:?}");
}
