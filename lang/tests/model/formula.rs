//! Formulas as text, as the reference program writes them: `(A && !B) xor exactly 2 of {A,B,C}`.

use edge_lang::model::{Placement, SiteId, SiteSet};

/// Reads a formula over the sites A, B, C, ...; anything else is a mistake in the test.
pub fn parse(text: &str) -> Placement {
    let mut words = Vec::new();
    for chunk in text.split(' ') {
        let mut word = String::new();
        for c in chunk.chars() {
            if "(){}!,".contains(c) {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
                words.push(c.to_string());
            } else {
                word.push(c);
            }
        }
        words.extend(Some(word).filter(|word| !word.is_empty()));
    }
    words.reverse();
    let formula = chain(&mut words);
    assert!(words.is_empty(), "rest of `{text}`: {words:?}");
    formula
}

pub fn site(letter: &str) -> SiteId {
    SiteId(u32::from(letter.as_bytes()[0] - b'A'))
}

pub fn name(site: SiteId) -> String {
    char::from(b'A' + site.0 as u8).to_string()
}

fn chain(words: &mut Vec<String>) -> Placement {
    let first = atom(words);
    let mut parts = vec![first];
    let mut joined_by = None;
    while let Some(word) = words.pop_if(|word| ["&&", "||", "xor"].contains(&word.as_str())) {
        assert!(joined_by.is_none_or(|before| before == word), "mixed operators");
        joined_by = Some(word);
        parts.push(atom(words));
    }
    match joined_by.as_deref() {
        None => parts.remove(0),
        Some("&&") => Placement::And(parts),
        Some("||") => Placement::Or(parts),
        Some(_) => Placement::Xor(parts),
    }
}

fn atom(words: &mut Vec<String>) -> Placement {
    let word = words.pop().expect("a formula");
    match word.as_str() {
        "!" => Placement::Not(Box::new(atom(words))),
        "(" => {
            let inner = chain(words);
            assert_eq!(words.pop().as_deref(), Some(")"));
            inner
        }
        "exactly" => {
            let (k, set) = counted(words);
            Placement::Exactly(k, set)
        }
        "at" => {
            let how = words.pop().expect("least or most");
            let (k, set) = counted(words);
            if how == "least" { Placement::AtLeast(k, set) } else { Placement::AtMost(k, set) }
        }
        "all" => {
            assert_eq!(words.pop().as_deref(), Some("but"));
            let (n, set) = counted(words);
            Placement::AllBut(n, set)
        }
        letter => Placement::Site(site(letter)),
    }
}

fn counted(words: &mut Vec<String>) -> (usize, SiteSet) {
    let k = words.pop().and_then(|k| k.parse().ok()).expect("a number");
    assert_eq!((words.pop().as_deref(), words.pop().as_deref()), (Some("of"), Some("{")));
    let mut set = SiteSet::new();
    loop {
        match words.pop().expect("a closing brace").as_str() {
            "}" => return (k, set),
            "," => {}
            letter => {
                set.insert(site(letter));
            }
        }
    }
}
