//! `edge sites`: every site, what it offers, and whether it answers. All are asked at once.

use super::arguments::{Output, Sites};
use super::load::Workplace;
use super::{Status, output};
use crate::run::{Sessions, Who};
use edge_lang::eval::{Row, Table, Value};
use edge_lang::inventory::Site;
use edge_lang::model::SiteId;
use edge_lang::span::Sources;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// A site that has not answered by then is shown as silent.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn sites(workplace: Workplace, arguments: Sites) -> Status {
    let places = match workplace.places() {
        Ok(places) => places,
        Err(trouble) => {
            trouble.print();
            return Status::Wrong;
        }
    };
    places.report();
    let mut inventory = places.sites.inventory.clone();
    crate::stdlib::library(&mut Sources::default(), &[]).0.complete(&mut inventory);
    let inventory = Arc::new(inventory);
    let all: Vec<(SiteId, &Site)> = inventory.iter().filter(|(_, s)| s.composed.is_none()).collect();
    if let Some(unknown) = arguments.names.iter().find(|n| inventory.id(n).is_none()) {
        anstream::eprintln!("error: no site `{unknown}`");
        if let Some(near) = edge_lang::diagnostic::nearest(unknown, all.iter().map(|(_, s)| &*s.name)) {
            anstream::eprintln!("help: is `{near}` meant?");
        }
        return Status::Wrong;
    }
    let wanted: Vec<(SiteId, &Site)> = all
        .into_iter()
        .filter(|(_, s)| arguments.names.is_empty() || arguments.names.iter().any(|n| **n == *s.name))
        .collect();
    if wanted.is_empty() {
        anstream::eprintln!("no sites: there is no edge.yaml, and no clouds.yaml names a cloud");
        anstream::eprintln!("help: --sim shows simulated ones; docs/language.md says where sites come from");
        return Status::Done;
    }
    super::run::in_runtime(places.simulated(), async {
        let world = places.world(&inventory);
        let opener = places.opener(&inventory, world.as_ref());
        let (table, silent) = table(&opener, &wanted).await;
        output::print(&table, &inventory, arguments.output);
        if silent && arguments.output == Output::Table { Status::Failed } else { Status::Done }
    })
}

/// Each site's row, and whether some site does not answer.
pub async fn table(opener: &dyn Sessions, wanted: &[(SiteId, &Site)]) -> (Value, bool) {
    let rows = join_all(wanted.iter().map(|(id, site)| row(opener, *id, site))).await;
    let silent = rows.iter().any(|(_, answers)| !answers);
    let columns = ["kind", "answers", "account", "services", "labels"].map(Arc::from).to_vec();
    let table = Table { columns, rows: rows.into_iter().map(|(r, _)| r).collect(), ..Table::default() };
    (Value::Table(Arc::new(table)), silent)
}

async fn row(opener: &dyn Sessions, id: SiteId, site: &Site) -> (Row, bool) {
    let began = Instant::now();
    let asked = timeout(PATIENCE, async {
        let session = opener.session(id, Who::default()).await?;
        let account = session.account().await?;
        let mut services = Vec::new();
        for entry in session.services().await? {
            if let Some(version) = entry.version {
                services.push(format!("{} {version}", entry.kind));
                continue;
            }
            let versions = session.versions(&entry.kind).await.ok().flatten();
            services.push(match versions {
                Some((low, high)) => format!("{} {low}-{high}", entry.kind),
                None => entry.kind,
            });
        }
        Ok::<_, crate::drivers::Failure>((account, services))
    });
    let (answers, account, services, good) = match asked.await {
        Ok(Ok((account, services))) => {
            (format!("{} ms", began.elapsed().as_millis()), account.to_string(), services.join(", "), true)
        }
        Ok(Err(failure)) => (format!("no: {failure}"), String::new(), String::new(), false),
        Err(_) => (format!("no answer in {} s", PATIENCE.as_secs()), String::new(), String::new(), false),
    };
    let labels: Vec<String> = site.labels.iter().map(|(k, v)| format!("{k}: {v}")).collect();
    let text = |t: String| Value::String(t.into());
    let values =
        vec![text(site.stack.to_string()), text(answers), text(account), text(services), text(labels.join(", "))];
    (Row { site: Some(id), values, id: None, pending: false }, good)
}
