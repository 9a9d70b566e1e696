//! The words of the language, as a reader wants them: what `edge doc` says of `atomic`, `xor` or `timeout`. They are sections
//! of one page, `lang/words.md`, whose programs are run by the tests; functions have pages of their own.

const PAGE: &str = include_str!("../words.md");

pub struct WordDoc {
    /// What the section is about: several words where they belong together.
    pub words: Vec<&'static str>,
    pub doc: &'static str,
}

pub fn word_docs() -> impl Iterator<Item = WordDoc> {
    // In a program of the page a line may begin with `#`, too; a section begins behind an empty line.
    let sections = PAGE.strip_prefix("# ").unwrap_or(PAGE).split("\n\n# ");
    sections.map(|section| {
        let (words, doc) = section.split_once('\n').unwrap_or((section, ""));
        WordDoc { words: words.split(", ").collect(), doc: doc.trim() }
    })
}
