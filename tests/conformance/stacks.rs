//! The stacks that are held to the tests.

use super::hostile::answer;
use super::{Key, Served, Stack, cluster, desk};
use edge::config::{Application, Connection, clouds_from_text};
use edge::sim::Stack::Mec;
use edge::sim::spec::ImageSpec;
use edge::sim::{Scenario, SiteSpec, World};
use serde_json::json;
use std::sync::Arc;

pub fn all() -> Vec<Stack> {
    vec![openstack(), cluster::stack(), mec(), desk::stack()]
}

fn openstack() -> Stack {
    Stack {
        name: "openstack",
        described: None,
        rust: lines_of_rust("openstack"),
        site: |name| format!("openstack(cloud: \"{name}\")"),
        create: "image.create(NAME)",
        ensure: "image.ensure(NAME)",
        delete: "image.delete(NAME)",
        list: "image.list()",
        making: ("POST", "/images$"),
        listing: ("GET", r"/images(\?|$)"),
        ticket: true,
        refusal: (400, "{\"message\": \"WHY<br /><br />\\n\\n\", \"code\": \"400 Bad Request\"}", "application/json"),
        looping: Some(|url| {
            let body = json!({"images": [], "next": url});
            answer(200, "application/json", body.to_string())
        }),
        many: 60,
        serve: |seeds| {
            let images = (1..=seeds).map(|n| ImageSpec { name: format!("seed-{n}"), ..ImageSpec::default() });
            let spec = SiteSpec { images: images.collect(), ..SiteSpec::default() };
            let mut scenario = Scenario::of_sites([]);
            scenario.sites.extend(["A", "B"].map(|name| (name.to_string(), spec.clone())));
            let world = World::new(scenario);
            let clouds = clouds_from_text(&world.clouds_yaml());
            Served {
                transport: Arc::new(world.transport()),
                open: Arc::new(move |site, key, outside| {
                    let mut cloud = clouds.get(site, None).expect("a cloud of each site").clone();
                    if key == Key::Wrong {
                        cloud.auth.set("password", "not-the-password".into());
                    }
                    edge::drivers::open(&Connection::openstack(site, cloud), outside)
                }),
                // Of a session there is the token, which begins so at every simulated site.
                secrets: |site| vec![format!("{}-secret", site.to_lowercase())],
            }
        },
    }
}

/// The MEC sites of the simulation, with the description that is an example.
fn mec() -> Stack {
    Stack {
        name: "mec",
        described: Some(("mec.edge", include_str!("../../examples/mec.edge"))),
        rust: 0,
        site: |name| format!("http(app: \"mec\", url: \"http://{}.sim\")", name.to_lowercase()),
        create: "app_package.create(NAME, version: \"1\", file: file(\"examples/data/tiny.img\"))",
        ensure: "app_package.ensure(NAME, version: \"1\", file: file(\"examples/data/tiny.img\"))",
        delete: "app_package.delete(NAME)",
        list: "app_package.list()",
        making: ("POST", "/app_packages$"),
        listing: ("GET", r"/app_packages(\?|$)"),
        ticket: false,
        refusal: (
            400,
            "{\"title\": \"Bad Request\", \"status\": 400, \"detail\": \"WHY\"}",
            "application/problem+json",
        ),
        looping: None,
        many: 60,
        serve: |_| {
            let mut scenario = Scenario::of_sites([]);
            scenario.sites.extend(["A", "B"].map(|name| (name.to_string(), SiteSpec::of(Mec))));
            let world = World::new(scenario);
            let sites = world.applications();
            Served {
                transport: Arc::new(world.transport()),
                open: Arc::new(move |site, key, outside| {
                    let found = sites.iter().find(|s| s.site == site).expect("a site of that name").clone();
                    let token = if key == Key::Right { found.token } else { "not-the-password".into() };
                    let application = Application::with_token(found.app, found.url, token.into());
                    edge::drivers::open(&Connection::http(site, application), outside)
                }),
                secrets: |site| vec![format!("{}-secret", site.to_lowercase())],
            }
        },
    }
}

/// Lines of a driver, without those that are empty.
pub fn lines_of_rust(driver: &str) -> usize {
    let folder = crate::support::root().join("src/drivers").join(driver);
    let files = crate::support::files(&folder, "rs");
    files.iter().map(|file| crate::support::read(file).lines().filter(|l| !l.trim().is_empty()).count()).sum()
}
