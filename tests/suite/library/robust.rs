//! Whatever a program, a site or another version of it says, using the standard library gives a request, a row or an
//! error, and never a panic; and no value leads a request out of its path.

use super::standard_library;
use edge_lang::library::render::{self, Asked, Fields, Look, Reading, Scope};
use edge_lang::library::{Instruction, Library, Request, Resource, Service, Undo};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::sync::LazyLock;

static LIBRARY: LazyLock<Library> = LazyLock::new(standard_library);

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "[a-z./\\\\%?#é\u{0}\r\n ]{0,12}".prop_map(Json::from),
        Just(json!("ACTIVE")),
        Just(json!("..")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("id|name|status|message|[a-z]{1,4}", inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// A value for some of the names that a resource knows.
fn fields(names: Vec<String>) -> impl Strategy<Value = Fields> {
    let each = names.into_iter().map(|n| (Just(n), prop::option::of(any_json())).boxed()).collect::<Vec<_>>();
    each.prop_map(|all| all.into_iter().filter_map(|(n, v)| Some((n.as_str().into(), v?))).collect())
}

fn cases() -> impl Strategy<Value = (usize, usize, Scope, Json)> {
    let all: Vec<(usize, usize)> =
        LIBRARY.services.iter().enumerate().flat_map(|(i, s)| (0..s.resources.len()).map(move |j| (i, j))).collect();
    prop::sample::select(all).prop_flat_map(|(i, j)| {
        let resource = &LIBRARY.services[i].resources[j];
        let names: Vec<String> = resource.fields.keys().map(|k| k.to_string()).chain(["id".to_string()]).collect();
        let params = resource.ops.values().flat_map(|op| &op.params).map(|p| p.name.to_string());
        let params: std::collections::BTreeSet<String> = params.chain(names.clone()).collect();
        let args = fields(params.into_iter().collect());
        (args, fields(names.clone()), prop::option::of(fields(names)), any_json(), any_json()).prop_map(
            move |(args, row, before, body, record)| {
                let scope = Scope {
                    args,
                    row,
                    before,
                    body: Some(body.clone()),
                    source: Some(Fields::new()),
                    marker: Some(render::marker_text("k")),
                    effect: Some("k".into()),
                    item: Some(body.clone()),
                    key: Some(body.clone()),
                    value: Some(body),
                    fresh_secret: Some("s".into()),
                    ..Scope::default()
                };
                (i, j, scope, record)
            },
        )
    })
}

/// No segment of the path is one that a server would take for another place, and nothing in it ends the path.
fn stays(request: &Request) {
    let mut segments = request.path.split('/').skip(1);
    assert!(request.path.bytes().all(|b| b.is_ascii_graphic() && !b"?#\\".contains(&b)), "{}", request.path);
    assert!(segments.all(|s| !matches!(s, "" | "." | "..")), "{}", request.path);
}

fn all(service: &Service, resource: &Resource, body: &[Instruction], scope: &mut Scope) {
    for instruction in body {
        match instruction {
            Instruction::Send(template) | Instruction::Follow { template, .. } => {
                let _ = render::wanted(template, scope);
                if let Ok(mut request) = render::render(service, template, scope) {
                    if let Some(mark) = resource.marks.first() {
                        let _ = render::place_marker(&mut request, resource, mark, "edge:k");
                    }
                    if !request.path.contains("://") {
                        stays(&request);
                    }
                }
            }
            Instruction::If { cond, then, otherwise } => {
                let _ = render::holds(cond, scope);
                all(service, resource, then, scope);
                all(service, resource, otherwise, scope);
            }
            Instruction::ReadyLike => {}
            Instruction::WaitUntil(e) | Instruction::Ready(e) | Instruction::Answer(e) => {
                let _ = (render::evaluate(e, scope), render::holds(e, scope));
            }
            Instruction::Failed(failed) => {
                let _ = render::holds(&failed.when, scope);
                let _ = failed.because.as_ref().map(|e| render::evaluate(e, scope));
            }
            Instruction::Call { args, .. } => args.iter().for_each(|(_, e)| drop(render::evaluate(e, scope))),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_goes((i, j, mut scope, record) in cases()) {
        let service = &LIBRARY.services[i];
        let (_, resource) = service.resources.get_index(j).expect("chosen among them");
        for op in resource.ops.values() {
            let _ = render::fill_defaults(&op.params, &mut scope);
            all(service, resource, &op.body, &mut scope);
            if let Undo::Block(body) = &op.undo {
                all(service, resource, body, &mut scope);
            }
        }
        all(service, resource, &resource.delete, &mut scope);
        for part in resource.parts.values() {
            for template in part.add.iter().chain(&part.remove) {
                if let Ok(request) = render::render(service, template, &scope) {
                    stays(&request);
                }
            }
        }
        if let Ok(Look::One(request)) = render::look(service, resource, &scope)
            && let Some(path) = &resource.path
        {
            stays(&request);
            prop_assert_eq!(request.path.matches('/').count(), path.matches('/').count() + 1);
        }
        let _ = render::found_by_name(service, resource, &scope);
        for mark in &resource.marks {
            let _ = render::found_by_marker(service, resource, mark, &scope);
            render::carries_marker(mark, &record, "edge:k");
        }
        for reading in [Reading::Whole, Reading::Partial] {
            if let Ok(row) = render::row(resource, &record, &Default::default(), None, reading) {
                render::choose(resource, std::slice::from_ref(&row), "x");
                render::restoration(resource, &row.fields, &scope.row);
            }
        }
        let differences = render::differences(resource, &scope.args, &scope.row);
        render::changes(resource, &differences, &scope.row);
        render::copied_arguments(resource, &scope.row);
        render::classify(409, None, "x", Asked::Else, &[&resource.on, &service.on]);
    }

    /// What was read is, to itself, no difference: `ensure` of what is there sends nothing.
    #[test]
    fn no_difference_to_itself((i, j, scope, _) in cases()) {
        let (_, resource) = LIBRARY.services[i].resources.get_index(j).expect("chosen among them");
        // But for a resource in the place of its id.
        let found: Fields = scope.row.into_iter().filter(|(_, v)| !v.to_string().contains("\"id\"")).collect();
        let same = render::differences(resource, &found, &found);
        prop_assert!(same.is_empty(), "{same:?}");
        let changes = render::restoration(resource, &found, &found);
        prop_assert!(changes.parts.is_empty() && changes.set.is_empty() && changes.impossible.is_empty());
    }
}
