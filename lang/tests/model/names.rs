//! Names folded and unfolded, and site sets written with them: results of ClusterShell restated.

use std::collections::{BTreeSet, HashMap};

use edge_lang::model::names::{NameError, fold, unfold, unfold_at_most};
use edge_lang::model::{SiteId, SiteSet};
use proptest::prelude::*;

/// Sites numbered as they are first met, the way an inventory numbers them.
#[derive(Default)]
struct Inventory {
    names: Vec<String>,
    numbers: HashMap<String, SiteId>,
}

impl Inventory {
    fn set(&mut self, text: &str) -> SiteSet {
        unfold(text).unwrap().iter().map(|name| self.number(name.to_string())).collect()
    }

    fn number(&mut self, name: String) -> SiteId {
        *self.numbers.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            SiteId(self.names.len() as u32 - 1)
        })
    }

    fn folded(&self, set: &SiteSet) -> String {
        fold(set.iter().map(|site| &self.names[site.index()]))
    }
}

#[test]
fn sets_as_clustershell_has_them() {
    // first set, then (operator, set) left to right; the result and its size
    let cases = [
        ("montana[32-37],montana[40-41]", vec![("&", "montana[34-37]")], "montana[34-37]", 4),
        ("montana[4-6]", vec![("-", "montana6")], "montana[4-5]", 2),
        ("artcore[3-999]", vec![("^", "artcore[1-2000]")], "artcore[1-2,1000-2000]", 1003),
        ("cluster[115-117,130,166-170]", vec![("^", "cluster[115-167]")], "cluster[118-129,131-165,168-170]", 50),
        (
            "red[34-55,76-249,300-403],blue,green",
            vec![("&", "red[32-57,72-249,300-341],blue,yellow")],
            "blue,red[34-55,76-249,300-341]",
            239,
        ),
        ("n[1-3]", vec![("^", "n[2-4]"), ("^", "n[3-5]")], "n[1,3,5]", 3),
        ("foo[6-10]", vec![("&", "bar[0-5]")], "", 0),
        ("a[0-100]b[1-2]", vec![("&", "a[50-150]b2")], "a[50-100]b2", 51),
        ("a[1-10]b[1-10]", vec![("-", "a[2-3]b4")], "a[1,4-10]b[1-10],a[2-3]b[1-3,5-10]", 98),
        ("n[0-30]", vec![("-", "n[5-9]"), ("-", "n[20-25]")], "n[0-4,10-19,26-30]", 20),
        ("n[0-10]", vec![("^", "n[5-15]"), ("^", "n[10-20]"), ("^", "n[0-30]")], "n[5-9,11-15,21-30]", 20),
        ("n[0-10]", vec![("^", "n[0-10]")], "", 0),
        ("n[0-10]", vec![("^", "n[11-20]")], "n[0-20]", 21),
        ("artcore[1-2000]", vec![("-", "artcore[2-1999]")], "artcore[1,2000]", 2),
        ("artcore[1-9]", vec![("-", "artcore[1-9/2]")], "artcore[2,4,6,8]", 4),
        ("p[001-120]", vec![("-", "p[010-119]")], "p[001-009,120]", 10),
        ("p[001-050]", vec![("^", "p[025-075]")], "p[001-024,051-075]", 49),
        ("p[099-101]", vec![("&", "p[100-102]")], "p[100-101]", 2),
        ("q[08-12]", vec![("-", "q[09-10]")], "q[08,11-12]", 3),
        ("q[8-12]x", vec![("-", "q[9-10]x")], "q[8,11-12]x", 3),
        ("a[1-3]b[1-3]", vec![("-", "a2b2")], "a[1,3]b[1-3],a2b[1,3]", 8),
        ("a[1-3]b1", vec![("-", "a2b[1-3]")], "a[1,3]b1", 2),
        ("a[0-150]b[1-3]", vec![("-", "a[0-149]b[1-3]")], "a150b[1-3]", 3),
        ("x[1-3]y[1-4]z1", vec![("&", "x[2-4]y2z[1-4]")], "x[2-3]y2z1", 2),
        ("x[1-2]y[1-2]z[1-2]", vec![("&", "x[1-9]y[1-9]z[1-9]")], "x[1-2]y[1-2]z[1-2]", 8),
        ("da[2-3]-ib[1-9]", vec![("-", "da3-ib[2-9]")], "da2-ib[1-9],da3-ib1", 10),
        ("da2-ib[1-5]", vec![("&", "da[2-3]-ib[3-7]")], "da2-ib[3-5]", 3),
        ("paris-[1-9]", vec![("-", "paris-[2-8/2]")], "paris-[1,3,5,7,9]", 5),
        ("r[1-3]-[01-12]", vec![("-", "r2-[01-12]")], "r[1,3]-[01-12]", 24),
        ("r[1-3]-[01-12]", vec![("-", "r[1-3]-[02-11]")], "r[1-3]-[01,12]", 6),
        ("chassis-[1-12].lab", vec![("-", "chassis-[2-11].lab")], "chassis-[1,12].lab", 2),
        ("blue,green", vec![("^", "green,yellow"), ("^", "yellow,blue")], "", 0),
        ("red[30-410]", vec![("^", "red[30-409]"), ("^", "red[30-408]")], "red[30-408,410]", 380),
        ("red[30-60/3]", vec![("&", "red[30-60/4]")], "red[30,42,54]", 3),
        ("red[30-40/2]", vec![("-", "red[30-40/4]")], "red[32,36,40]", 3),
        (
            "montana[32-41]",
            vec![("-", "montana[34-35]"), ("&", "montana[30-38]"), ("^", "montana33")],
            "montana[32,36-38]",
            4,
        ),
        ("e[098-101]", vec![("-", "e099")], "e[098,100-101]", 3),
        ("a[1-10]b[1-2]", vec![("&", "a[5-20]b2"), ("-", "a7b2")], "a[5-6,8-10]b2", 5),
    ];
    for (first, rest, result, size) in cases {
        let mut sites = Inventory::default();
        let mut set = sites.set(first);
        for (operator, text) in rest {
            let other = sites.set(text);
            set = match operator {
                "&" => set.intersection(&other),
                "-" => set.difference(&other),
                _ => set.symmetric_difference(&other),
            };
        }
        assert_eq!((set.len(), sites.folded(&set)), (size, result.to_string()), "{first} ...");
    }
}

#[test]
fn folds() {
    for (names, folded) in [
        ("", ""),
        ("paris-1", "paris-1"),
        ("Zone1,Zone2,Zone3", "Zone[1-3]"),
        ("Zone3,Zone1,Zone1", "Zone[1,3]"),
        ("e08,e09,e10,e11", "e[08-11]"),
        ("e098,e099,e100,e101,e7", "e7,e[098-101]"),
        ("e98,e099,e100", "e98,e[099-100]"),
        ("k8s-a,k8s-b", "k8s-a,k8s-b"),
        ("b,a,c", "a,b,c"),
        ("r1n1,r1n2,r2n1,r2n2", "r[1-2]n[1-2]"),
        ("r1n1,r1n2,r2n1", "r1n[1-2],r2n1"),
        ("1,2,3", "[1-3]"),
        ("x99999999999999999999999", "x99999999999999999999999"),
    ] {
        let names: Vec<&str> = names.split(',').filter(|name| !name.is_empty()).collect();
        assert_eq!(fold(&names), folded);
    }
    // What the notation cannot say is left alone.
    assert_eq!(fold(["a[1]", "b\u{0}1"]), "a[1],b\u{0}1");
}

#[test]
fn unfolds() {
    for (text, names) in [
        ("", ""),
        (" blue , red[1-2] ", "blue,red1,red2"),
        ("edge-[001-003]", "edge-001,edge-002,edge-003"),
        ("e[8-10,08-10]", "e8,e9,e10,e08,e09"),
        ("e[098-101]", "e098,e099,e100,e101"),
        ("e[08-101/31]", "e08,e39,e70,e101"),
        ("a[1-2]b[1-2]c", "a1b1c,a1b2c,a2b1c,a2b2c"),
        ("a[1-2],a[2-3]", "a1,a2,a3"),
        ("[1,11][1,11]", "11,111,1111"),
        ("paris-1", "paris-1"),
    ] {
        let unfolded = unfold(text).unwrap();
        assert_eq!(unfolded.iter().collect::<Vec<_>>().join(","), names, "{text}");
        assert!((0..unfolded.len()).map(|at| &unfolded[at]).eq(unfolded.iter()), "{text}");
    }
}

#[test]
fn refuses() {
    for (text, message) in [
        ("a[1-2", "the brackets of `a[1-2` do not match"),
        ("a1-2]", "the brackets of `a1-2]` do not match"),
        ("a[1[2]]", "the brackets of `a[1[2]]` do not match"),
        ("a,,b", "a name is missing beside a comma"),
        ("a,", "a name is missing beside a comma"),
        ("a[]", "`` is not a range of numbers"),
        ("a[1,]", "`` is not a range of numbers"),
        ("a[x-y]", "`x-y` is not a range of numbers"),
        ("a[1-2-3]", "`1-2-3` is not a range of numbers"),
        ("a[+1-2]", "`+1-2` is not a range of numbers"),
        ("a[1-9/0]", "`1-9/0` is not a range of numbers"),
        ("a[1-9999999999999999999]", "`1-9999999999999999999` is not a range of numbers"),
        ("a[5-3]", "the range `5-3` runs backwards"),
        ("a[01-010]", "the ends of `01-010` are padded to different widths"),
        ("a[1-010]", "the ends of `1-010` are padded to different widths"),
        ("a[1-1000001]", "this stands for more than 1000000 names"),
        ("a[1-999999999999999999][1-999999999999999999]", "this stands for more than 1000000 names"),
    ] {
        assert_eq!(unfold(text).unwrap_err().to_string(), message, "{text}");
    }
    assert_eq!(unfold_at_most("a[1-11]", 10), Err(NameError::TooMany { most: 10 }));
    assert_eq!(unfold(&"[1]".repeat(100_000)), Err(NameError::TooManyBrackets { most: 16 }));
    let long = "x".repeat(1000) + "[1-1000000]";
    assert!(matches!(unfold(&long), Err(NameError::TooLong { .. })));
}

fn some_names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[ab]?[0-9]{0,3}[-c]?[0-9]{0,2}", 0..60)
        .prop_map(|names| names.into_iter().filter(|name| !name.is_empty()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn unfolding_undoes_folding(names in some_names()) {
        let back = unfold(&fold(&names)).unwrap();
        let given: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let came: BTreeSet<&str> = back.iter().collect();
        prop_assert_eq!(given, came);
        prop_assert_eq!(fold(back.iter()), fold(&names));
    }

    #[test]
    fn unfolds_as_one_counts(from in 0u64..12_000, more in 0u64..1_200, width in 0usize..6) {
        let to = from + more;
        let names = unfold(&format!("a[{from:0width$}-{to:0width$}]b,c[{from:0width$}-{to:0width$}]")).unwrap();
        let counted = |before: &str, after: &str| -> Vec<String> {
            (from..=to).map(|number| format!("{before}{number:0width$}{after}")).collect()
        };
        let expected = [counted("a", "b"), counted("c", "")].concat();
        prop_assert!(names.iter().eq(expected.iter().map(String::as_str)));
    }

    #[test]
    fn nothing_read_can_panic(text in "[ab0-9,\\[\\]/ -]{0,40}") {
        if let Ok(names) = unfold_at_most(&text, 1000) {
            let once: BTreeSet<_> = names.iter().collect();
            prop_assert_eq!(once.len(), names.len());
        }
    }
}
