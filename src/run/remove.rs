//! Deleting one thing at one site by its own id, until it is gone. Gone already is deleted.

use super::Run;
use super::body::{Body, Stop};
use super::instance::Instance;
use super::live::goes_by_name;
use super::patience::Patience;
use super::trouble::{Kind, Trouble};
use edge_lang::eval::Key;
use edge_lang::library::Resource;
use edge_lang::library::render::{self, Fields, Row, Scope as Known};
use edge_lang::model::SiteId;
use edge_lang::mutant::{Mutant, is_on};
use std::time::Duration;
use tokio::time::Instant;

pub async fn delete(
    run: &Run,
    key: &Key,
    site: SiteId,
    instance: &Instance,
    resource: &Resource,
    row: &Row,
    time: Duration,
) -> Result<(), Trouble> {
    let version = render::version_for_read(instance.service(), resource, |_| false, None, instance.offered())?;
    let deadline = Instant::now() + time;
    let known = Known {
        row: row.fields.clone(),
        args: row.fields.clone(),
        before: Some(row.fields.clone()),
        version,
        ..instance.known()
    };
    // What is removed by its name is removed by each attempt, whatever has that name by then.
    let mut body = Body {
        once: goes_by_name(resource) && !is_on(Mutant::HidesRepeats),
        ..Body::new(run, key, site, instance, resource, known, time)
    };
    let began = body.begin(&resource.delete).await;
    let repeated = body.repeated;
    match began {
        Ok(()) => {}
        // What is refused is the last attempt. An earlier one may still be carried out.
        Err(Stop::Refused(t) | Stop::Broken(t)) if repeated => return Err(Trouble { kind: Kind::Silent, ..t }),
        Err(Stop::NotReached(t)) => return Err(Trouble { kind: Kind::NotReached, ..t }),
        Err(Stop::Silent(t)) => return Err(Trouble { kind: Kind::Silent, ..t }),
        Err(Stop::Refused(t) | Stop::Broken(t)) => return Err(Trouble { kind: Kind::Refused, ..t }),
    }
    gone(run, instance, resource, row, deadline).await
}

/// A thing that was asked for twice, under a name that its site keeps unique, is not removed before all is quiet: as long as it
/// is there the older request does nothing, and after that it would make the thing anew. Two answered reads, the quiet time
/// apart.
pub async fn outlast(
    run: &Run,
    at: SiteId,
    instance: &Instance,
    resource: &Resource,
    row: &Row,
    quiet: Duration,
) -> Result<(), Trouble> {
    let thing = (at, resource.name.clone(), row.id.clone().unwrap_or_default());
    if !run.unclosed().contains(&thing) {
        return Ok(());
    }
    instance.read(resource, row.fields.clone(), Fields::new()).await?;
    if !run.pause(quiet).await {
        return Err(Trouble::silent("stopped while an older request for it could still come"));
    }
    instance.read(resource, row.fields.clone(), Fields::new()).await?;
    run.unclosed().remove(&thing);
    Ok(())
}

/// Waits until the site does not have it any more.
async fn gone(
    run: &Run,
    instance: &Instance,
    resource: &Resource,
    row: &Row,
    deadline: Instant,
) -> Result<(), Trouble> {
    let mut patience = Patience::new(Duration::from_millis(200));
    if resource.get.is_none() {
        return Ok(());
    }
    loop {
        let mut watches = Vec::new();
        match instance.read_watched(resource, row.fields.clone(), Fields::new()).await {
            Ok((None, _)) => return Ok(()),
            Ok((Some(now), watch)) => {
                watches.extend(watch);
                if let Some(gone) = &resource.gone {
                    let known = Known { row: now.fields.clone(), before: Some(row.fields.clone()), ..instance.known() };
                    if render::holds(gone, &known)? {
                        return Ok(());
                    }
                }
                let status = now.fields.get("status").and_then(|s| s.as_str()).unwrap_or("still there");
                if Instant::now() >= deadline {
                    return Err(Trouble::silent(format!("the deletion was accepted, and it is {status}")));
                }
            }
            Err(trouble) if trouble.kind == Kind::Refused => return Err(trouble),
            Err(trouble) if Instant::now() >= deadline => return Err(Trouble { kind: Kind::Silent, ..trouble }),
            Err(_) => {}
        }
        if !patience.wait(run, watches, deadline).await {
            return Err(Trouble::silent("stopped while it was being deleted"));
        }
    }
}
