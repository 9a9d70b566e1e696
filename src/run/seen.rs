//! What sites were last seen to have: each listing, as one account asked a site for it, kept beside the journal, for reads
//! that say that old rows will do (`unreachable: stale`).
//!
//! It is memory, and nothing depends on it: it is written lazily, is bounded, holds no secret, and a file that cannot be
//! used is done without. How old something is, is told by the clock of the machine; that of a run does not go backwards.

use super::journal::{Fault, Known, forget_secrets, hash, hide, private_file, private_folder};
use super::{Run, Who};
use edge_lang::eval::{Kept, Step, Value};
use edge_lang::library::Resource;
use edge_lang::library::render::Row;
use edge_lang::model::SiteId;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// A larger listing is not kept.
const MOST_OF_ONE: usize = 4 << 20;
/// What is not on disk yet, and all that is; the oldest goes first.
const MOST_WAITING: usize = 4 << 20;
const MOST: i64 = 64 << 20;
/// Another is made anew: it is memory only.
const VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE seen (listing TEXT PRIMARY KEY, at INTEGER NOT NULL, size INTEGER NOT NULL, rows TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX seen_at ON seen (at);
";

pub struct Seen {
    folder: PathBuf,
    /// Opened when it is first needed; without one where it cannot be used.
    connection: OnceLock<Option<Mutex<Connection>>>,
    waiting: Mutex<Vec<Sighting>>,
    /// When it began, by both clocks.
    began: (Duration, Instant),
}

struct Sighting {
    listing: String,
    at: Duration,
    rows: String,
}

/// Rows that are not what is there now, but was.
pub struct Remembered {
    pub rows: Vec<Row>,
    pub age: Duration,
}

impl Seen {
    /// In the folder of the journal.
    pub fn of(folder: PathBuf) -> Arc<Seen> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let began = (wall, Instant::now());
        Arc::new(Seen { folder, connection: OnceLock::new(), waiting: Mutex::default(), began })
    }

    fn connection(&self) -> Option<MutexGuard<'_, Connection>> {
        let open = || match connect(&self.folder) {
            Ok(connection) => Some(Mutex::new(connection)),
            Err(fault) => {
                let folder = self.folder.display();
                tracing::warn!(target: "edge", "what sites are seen to have is not kept in `{folder}`: {fault}");
                None
            }
        };
        self.connection.get_or_init(open).as_ref().map(lock)
    }

    fn now(&self) -> Duration {
        self.began.0 + self.began.1.elapsed()
    }

    /// A site has answered with these rows.
    pub fn note(&self, listing: &str, rows: &[Row], resource: &Resource) {
        let known = |row: &Row| {
            let mut fields = hide(&row.fields, Some(resource));
            fields.values_mut().for_each(forget_secrets);
            Known { id: row.id.clone(), fields }
        };
        let known: Vec<Known> = rows.iter().map(known).collect();
        let Ok(rows) = serde_json::to_string(&known) else { return };
        if rows.len() > MOST_OF_ONE {
            return;
        }
        let mut waiting = lock(&self.waiting);
        waiting.push(Sighting { listing: listing.into(), at: self.now(), rows });
        if waiting.iter().map(|s| s.rows.len()).sum::<usize>() > MOST_WAITING {
            let all = std::mem::take(&mut *waiting);
            drop(waiting);
            self.write(&all);
        }
    }

    /// What a listing gave when it last gave something.
    pub fn last(&self, listing: &str) -> Option<Remembered> {
        let newest = lock(&self.waiting).iter().rev().find(|s| s.listing == listing).map(|s| (s.at, s.rows.clone()));
        let (at, rows) = match newest {
            Some(found) => found,
            None => self.read(listing).unwrap_or_else(|e| {
                tracing::warn!(target: "edge", "what was last seen cannot be read: {e}");
                None
            })?,
        };
        let known: Vec<Known> = serde_json::from_str(&rows).ok()?;
        // Whole seconds; a clock that was put back makes nothing younger than it is told to be now.
        let age = Duration::from_secs(self.now().saturating_sub(at).as_secs());
        Some(Remembered { rows: known.iter().map(Known::row).collect(), age })
    }

    fn read(&self, listing: &str) -> rusqlite::Result<Option<(Duration, String)>> {
        let Some(connection) = self.connection() else { return Ok(None) };
        let mut query = connection.prepare_cached("SELECT at, rows FROM seen WHERE listing = ?1")?;
        let found = query.query_row([listing], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?))).optional()?;
        Ok(found.map(|(at, rows)| (Duration::from_millis(at.unsigned_abs()), rows)))
    }

    fn write(&self, all: &[Sighting]) {
        if let Err(e) = self.try_write(all) {
            tracing::warn!(target: "edge", "what was seen is not kept: {e}");
        }
    }

    fn try_write(&self, all: &[Sighting]) -> rusqlite::Result<()> {
        let Some(mut connection) = self.connection() else { return Ok(()) };
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT OR REPLACE INTO seen (listing, at, size, rows) VALUES (?1, ?2, ?3, ?4)")?;
            for one in all {
                let at = i64::try_from(one.at.as_millis()).unwrap_or(i64::MAX);
                insert.execute(params![one.listing, at, one.rows.len() as i64, one.rows])?;
            }
        }
        transaction.execute(
            "DELETE FROM seen WHERE at <= (SELECT at FROM
                (SELECT at, SUM(size + 200) OVER (ORDER BY at DESC, listing) AS total FROM seen)
                WHERE total > ?1 ORDER BY at DESC LIMIT 1)",
            [MOST],
        )?;
        transaction.commit()
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let all = std::mem::take(&mut *lock(&self.waiting));
        if !all.is_empty() {
            self.write(&all);
        }
    }
}

/// A file that is damaged is made anew.
fn connect(folder: &Path) -> Result<Connection, Fault> {
    private_folder(folder)?;
    let file = folder.join("seen.db");
    private_file(&file)?;
    match usable(&file) {
        Err(rusqlite::Error::SqliteFailure(failure, _))
            if matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) =>
        {
            for ending in ["", "-wal", "-shm"] {
                let mut name = file.clone().into_os_string();
                name.push(ending);
                let _ = std::fs::remove_file(name);
            }
            private_file(&file)?;
            Ok(usable(&file)?)
        }
        opened => Ok(opened?),
    }
}

fn usable(file: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
    connection.execute_batch("PRAGMA synchronous = OFF")?;
    let version = |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if version(&connection)? != VERSION {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have been first.
        if version(&transaction)? != VERSION {
            transaction
                .execute_batch(&format!("DROP TABLE IF EXISTS seen; {SCHEMA} PRAGMA user_version = {VERSION};"))?;
        }
        transaction.commit()?;
    }
    Ok(connection)
}

/// By what a listing is known again: the site and how it is reached, the account, what is asked for and with which
/// arguments. `None`: one of them is a secret, or not known yet.
pub fn listing(run: &Run, step: &Step, atom: SiteId, at: SiteId) -> Option<String> {
    let site = run.inventory.get(at)?;
    let who = Who::of(step);
    let account = run.inventory.account(who.identity, at).ok()?;
    let arguments = Value::Record(Arc::new(step.arguments_at(atom)));
    if edge_lang::eval::has_secret(&arguments) {
        return None;
    }
    let Kept::Value(arguments) = Kept::of(&Ok(arguments))? else { return None };
    let of = (&site.name, &site.stack, format!("{:?}", site.connection), account, who.tenant);
    serde_json::to_string(&(of, &step.service, &step.resource, arguments)).ok().map(|text| hash(&text))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn library() -> edge_lang::library::Library {
        let mut sources = edge_lang::span::Sources::default();
        crate::stdlib::library(&mut sources, &[]).0
    }

    #[test]
    fn what_was_seen_is_read_by_the_next_and_a_damaged_file_is_made_anew() {
        let library = library();
        let keypair = library.any_resource("keypair").expect("described");
        let row = |name: &str| {
            let fields = json!({ "name": name, "private_key": "hunter2", "unheard_of": "hunter2" });
            Row { id: Some(name.into()), fields: serde_json::from_value(fields).expect("fields") }
        };
        let folder = tempfile::tempdir().expect("a folder");
        let seen = || Seen::of(folder.path().into());
        let names =
            |seen: &Seen| seen.last("a").map(|r| r.rows.iter().filter_map(|r| r.id.clone()).collect::<Vec<_>>());

        let first = seen();
        first.note("a", &[row("old")], keypair);
        first.note("a", &[row("x"), row("y")], keypair);
        assert_eq!(names(&first), Some(vec!["x".into(), "y".into()]));
        drop(first);
        let next = seen();
        assert_eq!(names(&next), Some(vec!["x".into(), "y".into()]));
        assert!(next.last("b").is_none());
        drop(next);
        for file in std::fs::read_dir(folder.path()).expect("its files") {
            let text = std::fs::read(file.expect("a file").path()).expect("readable");
            assert!(!text.windows(7).any(|part| part == b"hunter2"), "a secret is on disk");
        }

        std::fs::write(folder.path().join("seen.db"), "no database".repeat(1000)).expect("written");
        let anew = seen();
        assert_eq!(names(&anew), None);
        anew.note("a", &[row("z")], keypair);
        drop(anew);
        assert_eq!(names(&seen()), Some(vec!["z".into()]));
    }

    #[test]
    fn the_oldest_goes_when_there_is_too_much() {
        let folder = tempfile::tempdir().expect("a folder");
        let seen = Seen::of(folder.path().into());
        let much = |n: u64| Sighting {
            listing: format!("{n:02}"),
            at: Duration::from_millis(n),
            rows: format!("[]{}", " ".repeat(MOST_OF_ONE)),
        };
        (0..18).for_each(|n| seen.write(&[much(n)]));
        let kept: Vec<u64> = (0..18).filter(|n| seen.last(&format!("{n:02}")).is_some()).collect();
        assert_eq!(kept, (3..18).collect::<Vec<u64>>());
    }
}
