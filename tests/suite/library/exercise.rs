//! The standard library against a site, through the driver: every list is read whole, what can be made is made, found
//! again by its mark and its name, read, deleted, and then gone. Nothing is left behind where all is well.

use edge::config::{Cloud, Connection};
use edge::drivers::turns::{AllTurns, IN_FLIGHT};
use edge::drivers::{Answer, AnswerBody, Limits, Session, Surroundings};
use edge::transport::Transport;
use edge_lang::library::render::{self, Asked, Fields, Look, Reading, Row, Scope};
use edge_lang::library::{AnswerKind, Instruction, Library, Listing, Request, Resource, Service, Version};
use edge_lang::model::SiteId;
use edge_lang::span::Sources;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

/// As a user of `cloud`, to whom it shows the flavor `tiny` and an image of that name.
pub async fn exercise(cloud: Cloud, transport: Arc<dyn Transport>, image: &str) {
    let outside = Surroundings { transport, turns: AllTurns::default().of(SiteId(0), IN_FLIGHT), seed: 7 };
    let session = edge::drivers::open(&Connection::openstack("site", cloud), outside).unwrap();
    let account = session.account().await.unwrap();
    let library = edge::stdlib::library(&mut Sources::default(), &[]).0;
    let account = render::Account { user_id: Some(account.user_id), project_id: account.project_id };
    let site = Site { session: &*session, library: &library, account };
    for service in library.services.iter().filter(|s| &*s.stack == "openstack") {
        for resource in service.resources.values().filter(|r| r.list.is_some()) {
            site.lists(service, resource).await;
        }
    }
    site.makes(image).await;
}

struct Site<'a> {
    session: &'a dyn Session,
    library: &'a Library,
    account: render::Account,
}

fn limits() -> Limits {
    Limits { time: Duration::from_secs(60), rows: 1000 }
}

fn body(answer: &Answer) -> Json {
    match &answer.body {
        AnswerBody::Json(body) => body.clone(),
        _ => Json::Null,
    }
}

impl Site<'_> {
    fn scope(&self) -> Scope {
        let marker = Some(render::marker_text("try-1"));
        let (effect, fresh_secret) =
            (Some(format!("try {:?}", std::time::SystemTime::now())), Some("a-secret-1".into()));
        Scope { account: self.account.clone(), marker, effect, fresh_secret, ..Scope::default() }
    }

    async fn offered(&self, service: &Service) -> Option<(Version, Version)> {
        self.session.versions(service.kind.as_deref().unwrap()).await.unwrap()
    }

    async fn lists(&self, service: &Service, resource: &Resource) {
        let offered = self.offered(service).await;
        let mut scope = self.scope();
        if let Some(extension) = &resource.extension
            && !self.session.has_extension(service.kind.as_deref().unwrap(), &service.base, extension).await.unwrap()
        {
            return;
        }
        scope.version = render::version_for_read(service, resource, |_| false, None, offered).unwrap();
        let listing = render::listing(service, resource, &scope, None).unwrap();
        let rows = match self.rows(resource, listing, scope.version).await {
            Ok(rows) => rows,
            // What is for administrators.
            Err(edge::drivers::Failure::Refused(403, _)) => return,
            Err(error) => panic!("{}.list: {error}", resource.name),
        };
        if let Some(row) = rows.first().filter(|r| r.fields.contains_key("id")) {
            scope.row = row.fields.clone();
            let again = self.look(service, resource, &scope).await;
            assert_eq!(again.unwrap().fields.keys().len(), row.fields.keys().len(), "{}", resource.name);
        }
    }

    async fn rows(
        &self,
        resource: &Resource,
        listing: Listing,
        version: Option<Version>,
    ) -> Result<Vec<Row>, edge::drivers::Failure> {
        let rows = self.session.list(listing, limits()).await?.rows;
        let read = |r: &Json| {
            render::row(resource, r, &Default::default(), version, Reading::Whole)
                .unwrap_or_else(|e| panic!("{e}: {r}"))
        };
        Ok(rows.iter().map(read).collect())
    }

    /// `None` where it is absent.
    async fn look(&self, service: &Service, resource: &Resource, scope: &Scope) -> Option<Row> {
        match render::look(service, resource, scope).unwrap() {
            Look::Rows(listing) => self.rows(resource, listing, scope.version).await.unwrap().into_iter().next(),
            Look::One(request) => {
                let answer = self.session.send(request, None, limits()).await.unwrap();
                let rules: [&[_]; 2] = [&resource.on, &service.on];
                match render::classify(answer.status, None, "", Asked::Itself, &rules) {
                    AnswerKind::Done => {}
                    AnswerKind::Absent => return None,
                    other => panic!("{}: {other:?} {}", resource.name, answer.status),
                }
                let body = body(&answer);
                let item = render::item(resource.get.as_ref(), resource, &body).unwrap();
                let row = render::row(resource, item, &Default::default(), scope.version, Reading::Whole);
                Some(row.unwrap_or_else(|e| panic!("{e}: {item}")))
            }
        }
    }

    async fn send(&self, what: &str, request: Request) -> Answer {
        let shown = format!("{} {}", request.method.text(), request.path);
        let answer = self.session.send(request, None, limits()).await.unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(answer.ok(), "{what}: {shown}: {} {}", answer.status, body(&answer));
        answer
    }

    /// Makes one as an executor would, and waits until it is ready.
    async fn create(&self, name: &str, args: Json) -> Fields {
        let resource = self.library.resource("openstack", name).unwrap();
        let service = self.library.service_of(resource).unwrap();
        let offered = self.offered(service).await;
        let op = &resource.ops["create"];
        let mut scope = self.scope();
        scope.args = args.as_object().unwrap().iter().map(|(k, v)| (k.as_str().into(), v.clone())).collect();
        let given = |name: &str| scope.args.contains_key(name);
        scope.version = render::version_for_write(service, resource, op, given, offered).unwrap();
        render::fill_defaults(&op.params, &mut scope).unwrap();
        if let Some((field, id)) = &resource.chosen {
            scope.row.insert(field.clone(), render::evaluate(id, &scope).unwrap().unwrap());
        }
        let mut mark = render::mark_for(resource, offered);
        let mut waiting: Vec<&Instruction> = op.body.iter().rev().collect();
        while let Some(instruction) = waiting.pop() {
            match instruction {
                Instruction::If { cond, then, otherwise } => {
                    let branch = if render::holds(cond, &scope).unwrap() { then } else { otherwise };
                    waiting.extend(branch.iter().rev());
                }
                Instruction::Send(template) => {
                    let mut request = render::render(service, template, &scope).unwrap();
                    if let Some(mark) = mark.take() {
                        render::place_marker(&mut request, resource, mark, scope.marker.as_ref().unwrap()).unwrap();
                    }
                    let body = body(&self.send(name, request).await);
                    let item = render::item(Some(template), resource, &body).unwrap();
                    let row =
                        render::row(resource, item, &Default::default(), scope.version, Reading::Partial).unwrap();
                    scope.row.extend(row.fields);
                }
                _ => {}
            }
        }
        let read = render::version_for_read(service, resource, |_| false, None, offered).unwrap();
        let mut ready = false;
        for _ in 0..60 {
            scope.version = read;
            let row = self.look(service, resource, &scope).await.unwrap_or_else(|| panic!("{name} is not there"));
            // Not added to what was known: a field that is not there any more must not stay.
            scope.row = row.fields;
            if let Some(failed) = &resource.failed {
                assert!(!render::holds(&failed.when, &scope).unwrap(), "{name} failed");
            }
            ready = resource.ready.as_ref().is_none_or(|r| render::holds(r, &scope).unwrap());
            if ready {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(ready, "{name} does not get ready: {:?}", scope.row.get("status"));
        if let Some(mark) = render::mark_for(resource, offered) {
            scope.version = render::version_for_read(service, resource, |_| false, mark.since, offered).unwrap();
            let listing = render::found_by_marker(service, resource, mark, &scope).unwrap();
            let rows = self.session.list(listing, limits()).await.unwrap_or_else(|e| panic!("{name}: {e}")).rows;
            let marked = rows.iter().filter(|r| render::carries_marker(mark, r, scope.marker.as_ref().unwrap()));
            let ids: Vec<_> = marked.map(|r| r["id"].clone()).collect();
            assert_eq!(ids, [scope.row["id"].clone()], "{name} by its mark");
        }
        if let Some(text) = scope.args.get("name").and_then(Json::as_str) {
            let listing = render::found_by_name(service, resource, &scope).unwrap();
            let rows = self.rows(resource, listing, scope.version).await.unwrap();
            assert!(matches!(render::choose(resource, &rows, text), render::Chosen::One(_)), "{name} by its name");
        }
        let differences = render::differences(resource, &scope.args, &scope.row);
        assert!(differences.is_empty(), "{name}: {differences:?}");
        scope.row
    }

    /// Deletes it, and waits until it is gone.
    async fn delete(&self, name: &str, row: Fields) {
        let resource = self.library.resource("openstack", name).unwrap();
        let service = self.library.service_of(resource).unwrap();
        let mut scope = self.scope();
        scope.version = render::lowest_version(service, self.offered(service).await).unwrap();
        scope.row = row;
        for instruction in &resource.delete {
            let Instruction::Send(template) = instruction else { panic!("{name}") };
            self.send(name, render::render(service, template, &scope).unwrap()).await;
        }
        for _ in 0..60 {
            if self.look(service, resource, &scope).await.is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("{name} is still there");
    }

    /// The first row of a list with this name.
    async fn named(&self, name: &str, wanted: &str) -> Json {
        let resource = self.library.resource("openstack", name).unwrap();
        let service = self.library.service_of(resource).unwrap();
        let mut scope = self.scope();
        let offered = self.offered(service).await;
        scope.version = render::version_for_read(service, resource, |_| false, None, offered).unwrap();
        let listing = render::listing(service, resource, &scope, None).unwrap();
        let rows = self.rows(resource, listing, scope.version).await.unwrap();
        let row = rows
            .into_iter()
            .find(|r| r.fields.get("name").is_some_and(|n| n == wanted))
            .unwrap_or_else(|| panic!("{name} {wanted}"));
        json!(row.fields)
    }

    async fn makes(&self, image_to_boot: &str) {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHRoaXMgaXMgbm8ga2V5IHRoYXQgYW55Ym9keSB1c2Vz try";
        let keypair = self.create("keypair", json!({ "name": "try-key", "public_key": key })).await;
        let group = self.create("server_group", json!({ "name": "try-group" })).await;
        let image = json!({ "name": "try-image", "disk_format": "raw", "tags": ["a"], "properties": { "os": "x" }, "min_disk": 1 });
        let image = self.create("image", image).await;
        let network = self.create("network", json!({ "name": "try-net", "description": "to be deleted" })).await;
        let subnet = json!({ "name": "try-subnet", "network": network, "cidr": "10.99.0.0/24", "gateway": null });
        let subnet = self.create("subnet", subnet).await;
        let rules = self.create("security_group", json!({ "name": "try-rules" })).await;
        let rule = json!({ "security_group": rules, "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_min": 22, "port_max": 22 });
        let rule = self.create("security_group_rule", rule).await;
        let port = json!({ "name": "try-port", "network": network, "security_groups": [rules] });
        let port = self.create("port", port).await;
        let server = json!({
            "name": "try-vm", "flavor": self.named("flavor", "tiny").await, "network": network, "group": group,
            "keypair": keypair, "metadata": { "a": "b" }, "security_groups": [rules], "user_data": "#!/bin/sh",
            "image": self.named("image", image_to_boot).await,
        });
        let server = self.create("server", server).await;
        let credential = self.create("application_credential", json!({ "name": "try-credential" })).await;
        self.delete("application_credential", credential).await;
        self.delete("server", server).await;
        self.delete("port", port).await;
        self.delete("security_group_rule", rule).await;
        self.delete("security_group", rules).await;
        self.delete("subnet", subnet).await;
        self.delete("network", network).await;
        self.delete("image", image).await;
        self.delete("server_group", group).await;
        self.delete("keypair", keypair).await;
    }
}
