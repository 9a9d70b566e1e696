//! Kubernetes: simulated clusters, with things of one label.

use super::hostile::answer;
use super::{Key, Served, Stack, stacks};
use edge::config::{Connection, cluster};
use edge::sim::Stack::Kubernetes;
use edge::sim::{Scenario, SiteSpec, World};
use edge::transport::{Body, Transport, TransportError, full_body};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::OnceCell;

pub fn stack() -> Stack {
    Stack {
        name: "kubernetes",
        described: None,
        rust: stacks::lines_of_rust("kubernetes"),
        site: |name| format!("kubernetes(context: \"{name}\")"),
        // A namespace has a ConfigMap of its own from the beginning, which has no such label.
        create: "configmap.create(NAME, data: { colour: \"blue\" }, labels: { of: \"tests\" })",
        ensure: "configmap.ensure(NAME, data: { colour: \"blue\" }, labels: { of: \"tests\" })",
        delete: "configmap.delete(NAME)",
        list: "configmap.list(labels: \"of=tests\")",
        making: ("POST", r"/configmaps(\?|$)"),
        listing: ("GET", r"/configmaps(\?|$)"),
        ticket: false,
        refusal: (
            403,
            "{\"kind\": \"Status\", \"apiVersion\": \"v1\", \"metadata\": {}, \"status\": \"Failure\", \"message\": \"WHY\", \"reason\": \"Forbidden\", \"code\": 403}",
            "application/json",
        ),
        looping: Some(|_| {
            let metadata = json!({"resourceVersion": "7", "continue": "here-again"});
            let page = json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": []});
            answer(200, "application/json", page.to_string())
        }),
        // The driver asks for 500 at once.
        many: 1100,
        serve: |seeds| {
            let mut scenario = Scenario::of_sites([]);
            scenario.sites.extend(["A", "B"].map(|name| (name.to_string(), SiteSpec::of(Kubernetes))));
            let world = World::new(scenario);
            let kubeconfig = world.kubeconfig(None);
            Served {
                transport: Arc::new(Seeded { world, seeds, seeded: OnceCell::new() }),
                open: Arc::new(move |site, key, outside| {
                    let kubeconfig = match key {
                        Key::Right => kubeconfig.clone(),
                        Key::Wrong => kubeconfig.replace(&secret(site), "not-the-password"),
                    };
                    let cluster = cluster::from_text(&kubeconfig, site).expect("a context of each site");
                    edge::drivers::open(&Connection::kubernetes(site, cluster), outside)
                }),
                secrets: |site| vec![secret(site)],
            }
        },
    }
}

/// The token of the account that a configuration for a simulated cluster uses.
fn secret(site: &str) -> String {
    format!("{}-admin-secret", site.to_lowercase())
}

/// What is to be there at the beginning is made before the first request: a scenario has no objects.
struct Seeded {
    world: World,
    seeds: usize,
    seeded: OnceCell<()>,
}

impl Seeded {
    async fn seed(&self) {
        for account in self.world.cluster_accounts().iter().filter(|a| a.user == "admin") {
            for n in 1..=self.seeds {
                let metadata = json!({"name": format!("seed-{n}"), "labels": {"of": "tests"}});
                let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
                let request = Request::post(format!("{}/api/v1/namespaces/default/configmaps", account.server))
                    .header("authorization", format!("Bearer {}", account.token))
                    .header("content-type", "application/json");
                let request = request.body(full_body(object.to_string())).expect("a request");
                let made = self.world.transport().send(request).await.expect("an answer of a simulated site");
                assert_eq!(made.status(), 201);
            }
        }
    }
}

impl Transport for Seeded {
    fn send(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response<Body>, TransportError>> {
        Box::pin(async move {
            self.seeded.get_or_init(|| self.seed()).await;
            self.world.transport().send(request).await
        })
    }
}
