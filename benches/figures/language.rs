//! Texts of very many statements lexed, parsed and checked, and sets of very many sites.

use crate::figure::{Aim, best, figure, ms};
use crate::process::{Folder, edge, watched};
use edge::stdlib;
use edge_lang::check::{NoImports, check};
use edge_lang::inventory::{Inventory, Site};
use edge_lang::library::Library;
use edge_lang::model::{SiteId, SiteSet};
use edge_lang::span::{FileId, Sources};
use edge_lang::syntax;
use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

/// The cost of a statement may grow so much from the smallest to the largest text and still be called linear: caches
/// hold less of a larger text.
const LINEAR: f64 = 1.5;

pub fn measure() {
    let library = library();
    let inventory = inventory(3);
    let programs: [(&str, fn(usize) -> String); 2] = [("creations", creations), ("every kind", every_kind)];
    for (name, program) in programs {
        let mut costs = Vec::new();
        for statements in [10_000, 50_000, 100_000, 200_000] {
            let text = program(statements);
            let aim = if statements == 100_000 { Aim::Below(1500.0) } else { Aim::None };
            let mut least = [f64::MAX; 3];
            for _ in 0..5 {
                for (least, time) in least.iter_mut().zip(stages(&text, &library, &inventory)) {
                    *least = least.min(time);
                }
            }
            let whole: f64 = least.iter().sum();
            let size = format!("{:.1} MB", text.len() as f64 / 1e6);
            let parts = format!("lex {:.0} + parse {:.0} + check {:.0} ms", least[0], least[1], least[2]);
            figure(&format!("{statements} statements ({name}), {size}: {parts}"), whole, "ms", aim);
            costs.push(whole / statements as f64);
        }
        let growth = costs.last().expect("four sizes") / costs[0];
        figure(
            &format!("{name}: a statement of 200,000 costs, against one of 10,000"),
            growth,
            "times",
            Aim::Below(LINEAR),
        );
    }
    let folder = Folder::new("language");
    folder.write("edge.yaml", "sites:\n  \"Zone[1-3]\":\n    cloud: \"zone[1-3]\"\n");
    let script = folder.write("large.edge", &every_kind(100_000));
    let runs: Vec<_> =
        (0..3).filter_map(|_| watched(edge().arg("check").arg(&script).current_dir(&folder.0)).ok()).collect();
    if let Some((time, memory)) = runs.into_iter().min_by_key(|(time, _)| *time) {
        figure("edge check, 100000 statements (every kind): whole process", ms(time), "ms", Aim::None);
        figure("edge check, 100000 statements (every kind): most memory", memory, "MiB", Aim::None);
    }
    sets();
}

/// Milliseconds of lexing alone, of parsing without lexing, and of checking.
fn stages(text: &str, library: &Library, inventory: &Inventory) -> [f64; 3] {
    let file = FileId(0);
    let began = Instant::now();
    black_box(syntax::lex(file, text));
    let lexed = ms(began.elapsed());
    let began = Instant::now();
    let parsed = syntax::parse(file, text);
    let both = ms(began.elapsed());
    let began = Instant::now();
    let checked = black_box(check(&parsed.program, &NoImports, library, inventory));
    let check = ms(began.elapsed());
    let wrong = parsed.diagnostics.iter().chain(&checked.diagnostics).find(|d| d.is_error());
    assert!(wrong.is_none(), "the text is meant to have no mistake: {wrong:?}");
    [lexed, (both - lexed).max(0.0), check]
}

fn creations(statements: usize) -> String {
    let mut text = String::new();
    for i in 0..statements {
        let _ = writeln!(text, "server.create(\"vm-{i}\", flavor: \"tiny\") @ Zone1 || Zone2");
    }
    text
}

fn every_kind(statements: usize) -> String {
    let mut text = String::new();
    for i in 0..statements {
        let _ = match i % 10 {
            0 => writeln!(text, "let a{i} = {i} * 2 + 1"),
            1 => writeln!(text, "print \"twice ${{a{}}}\"", i - 1),
            2 => writeln!(text, "server.create(\"vm{i}\", flavor: \"tiny\") @ Zone1 || Zone2"),
            3 => writeln!(text, "fn f{i}(x: Int) -> Int {{ x + {i} }}"),
            4 => writeln!(text, "print f{}({i})", i - 1),
            5 => writeln!(text, "let s{i} = {{Zone1, Zone2}}"),
            6 => writeln!(text, "network.ensure(\"n{i}\") @ all of s{}", i - 1),
            7 => writeln!(text, "server.list() @ Zone1 where status == \"ACTIVE\""),
            8 => writeln!(text, "if {i} > 5 {{ print {i} }}"),
            _ => writeln!(text, "at Zone1 {{ image.list() }}"),
        };
    }
    text
}

pub fn library() -> Library {
    stdlib::library(&mut Sources::default(), &[]).0
}

/// `Zone1`, `Zone2`, ...: OpenStack sites in two regions.
pub fn inventory(sites: usize) -> Inventory {
    let mut inventory = Inventory::default();
    inventory.declared = true;
    for i in 1..=sites {
        let region = if i % 2 == 0 { "west" } else { "east" };
        let labels = [("region".into(), region.into())].into();
        inventory.add(Site { name: format!("Zone{i}").into(), stack: "openstack".into(), labels, ..Site::default() });
    }
    inventory
}

fn sets() {
    let every = |step: usize| -> SiteSet { (0..100_000).step_by(step).map(|site| SiteId(site as u32)).collect() };
    let (a, b) = (every(2), every(3));
    let below = Aim::Below(1.0);
    let time = |work: &mut dyn FnMut() -> usize| ms(best(25, work));
    figure("100,000 sites: union", time(&mut || a.union(&b).len()), "ms", below);
    figure("100,000 sites: intersection", time(&mut || a.intersection(&b).len()), "ms", below);
    figure("100,000 sites: difference", time(&mut || a.difference(&b).len()), "ms", below);
    figure("100,000 sites: symmetric difference", time(&mut || a.symmetric_difference(&b).len()), "ms", below);
    figure("100,000 sites: walk over one in two", time(&mut || a.iter().count()), "ms", below);
    figure("100,000 sites: made from a list", time(&mut || a.iter().collect::<SiteSet>().len()), "ms", below);
}
