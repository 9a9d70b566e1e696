//! The file of a user's runs: opened, checked and read. What a run was started with is kept beside its entries: the texts of
//! the program and of the library by hash, once each.

use super::disk::{DiskJournal, Pace, now};
use super::{Entry, Past};
use edge_lang::eval::Plain;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the schema is called in the file; another is not touched.
const VERSION: i64 = 1;
/// `EDGE`, so that no other program's file is taken for ours.
const APPLICATION: i64 = 0x4544_4745;
/// A file up to this size is checked as a whole when it is opened.
const CHECKED: u64 = 32 << 20;
/// Runs that have ended and owe nothing, the newest of which are kept.
const ENDED_RUNS: i64 = 200;

const SCHEMA: &str = "
    CREATE TABLE texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        began INTEGER NOT NULL,
        settled INTEGER NOT NULL DEFAULT 0,
        record TEXT NOT NULL
    );
    CREATE TABLE entries (
        run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        entry TEXT NOT NULL,
        PRIMARY KEY (run, number)
    ) WITHOUT ROWID;
";

const FULL: &str = "make room there and say it again: runs that are under way are in this journal; `--state FOLDER` keeps new ones elsewhere";
/// Reading a journal takes a file beside it, too.
const FIXED: &str = "looking at runs needs to write beside the journal, too: copy its folder to where you may write, and give `--state COPY`; a new run can be kept there";
const DAMAGED: &str = "move its folder away, and a new one is begun; what its runs have made and owe is then known only by the `edge:` that it carries at the sites; `sqlite3 journal.db .recover` may save the journal";

/// Why the journal cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub message: String,
    /// What can be done, where that is more than to keep it elsewhere.
    pub help: Option<&'static str>,
}

impl Fault {
    pub fn new(message: impl Into<String>) -> Fault {
        Fault { message: message.into(), help: None }
    }

    fn help(self, help: &'static str) -> Fault {
        Fault { help: Some(help), ..self }
    }

    pub(super) fn of(error: &rusqlite::Error) -> Fault {
        let code = match error {
            rusqlite::Error::SqliteFailure(failure, _) => Some(failure.code),
            _ => None,
        };
        match code {
            Some(ErrorCode::DiskFull) => Fault::new("the disk is full").help(FULL),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Fault::new("it may not be written").help(FIXED),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Fault::new("it is damaged, or no journal").help(DAMAGED)
            }
            Some(ErrorCode::CannotOpen) => Fault::new("it cannot be opened for writing").help(FIXED),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Fault::new("another process has been writing it for half a minute")
                    .help("wait for that process, or end it: `edge runs` says which drive runs")
            }
            Some(ErrorCode::SystemIoFailure) => Fault::new(format!("the disk does not take it: {error}")).help(FULL),
            _ => Fault::new(error.to_string()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::of(&error)
    }
}

/// What a run was started with. No secret: those are asked for again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// As `edge runs` shows it: the program's name.
    pub title: String,
    /// The version of edge that started it.
    pub version: String,
    /// Names and hashes of the program and of what it imports, in the order of their numbers.
    pub sources: Vec<(String, String)>,
    /// Which import leads to which of them.
    pub imports: Vec<(u32, String, u32)>,
    /// The library that came with edge.
    pub library: Vec<(String, String)>,
    /// Where files that it names lie.
    pub base: PathBuf,
    /// The hash of the sites as they were, in JSON.
    pub inventory: String,
    /// The names of all sites, those of the program among them, by number.
    pub sites: Vec<String>,
    pub inputs: Vec<(String, Plain)>,
    /// Inputs whose values are not here.
    pub secrets: Vec<String>,
    /// The hash of the plan that was approved, in JSON; none where everything was.
    pub plan: Option<String>,
    /// Its sites were simulated, and went with the process.
    pub simulated: bool,
    /// It was an entry of a prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered: Option<Entered>,
}

/// An entry of a prompt, and what the entries before it had left. Numbers are those of texts in `sources`, where the
/// library's are, too; a text that is not needed is empty there, and has no hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entered {
    pub entry: u32,
    pub before: Vec<Before>,
    /// The library that came with edge.
    pub library: Vec<u32>,
    /// Texts that describe services, each of which stands for what an earlier one said.
    pub described: Vec<u32>,
    /// The values of names, by slot.
    pub frame: Vec<Slot>,
    /// The hash of the scope around it, in JSON.
    pub scope: String,
}

/// What stands in a slot of an entry's frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    Empty,
    Value(Plain),
    /// A larger value: the hash of its JSON, which the entries after it refer to, too.
    Text(String),
    /// It was not kept: known only later, or too large.
    Lost,
}

/// What came before an entry and still matters to what names mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    Entry {
        text: u32,
        /// Its value became `it`.
        gave: bool,
    },
    /// It is around the entries that follow.
    Scope {
        text: u32,
    },
    NoScope,
}

/// One run of the file.
#[derive(Clone, Debug)]
pub struct Kept {
    pub id: i64,
    pub name: String,
    /// Milliseconds since 1970.
    pub began: i64,
    pub record: Record,
}

pub struct Store {
    folder: PathBuf,
    file: PathBuf,
    connection: Connection,
}

/// An open connection to a file that is a journal, made where there is none.
pub(super) fn connect(file: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    let number = |connection: &Connection, pragma: &str| -> rusqlite::Result<i64> {
        connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))
    };
    connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
    let version = number(&connection, "user_version")?;
    let application = number(&connection, "application_id")?;
    match (application, version) {
        (APPLICATION, VERSION) => return Ok(connection),
        (APPLICATION, newer) => {
            return Err(Fault::new(format!(
                "it is of version {newer}, and this edge reads version {VERSION}: another edge has written it"
            ))
            .help("use the edge that wrote it for its runs; `--state FOLDER` keeps new ones elsewhere"));
        }
        _ => {}
    }
    make(&mut connection)?;
    Ok(connection)
}

fn make(connection: &mut Connection) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let application: i64 = transaction.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if application == APPLICATION {
        // Another process was first.
        return Ok(());
    }
    let tables: i64 = transaction.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 {
        return Err(Fault::new("it is the file of another program"));
    }
    transaction.execute_batch(SCHEMA)?;
    transaction.execute_batch(&format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"))?;
    transaction.commit()?;
    Ok(())
}

/// The entries of a run, in order.
pub(super) fn entries(file: &Path, run: i64) -> Result<Vec<Entry>, Fault> {
    read_entries(&connect(file)?, run)
}

fn read_entries(connection: &Connection, run: i64) -> Result<Vec<Entry>, Fault> {
    let mut query = connection.prepare("SELECT number, entry FROM entries WHERE run = ?1 ORDER BY number")?;
    let mut rows = query.query([run])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let (number, text): (i64, String) = (row.get(0)?, row.get(1)?);
        if number != all.len() as i64 + 1 {
            return Err(Fault::new(format!("entry {} of the run is missing", all.len() + 1)));
        }
        let entry =
            serde_json::from_str(&text).map_err(|e| Fault::new(format!("entry {number} cannot be read: {e}")))?;
        all.push(entry);
    }
    Ok(all)
}

pub fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Store {
    /// The journal in a folder, which is made where there is none. Nobody else may read it.
    pub fn open(folder: &Path) -> Result<Store, Fault> {
        private_folder(folder)?;
        let file = folder.join("journal.db");
        let is_new = private_file(&file)?;
        let connection = connect(&file)?;
        let size = std::fs::metadata(&file).map_or(0, |m| m.len());
        if !is_new && size <= CHECKED {
            let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
            if check != "ok" {
                let check = check.lines().last().unwrap_or_default();
                return Err(Fault::new(format!("it is damaged: {check}")).help(DAMAGED));
            }
        }
        Ok(Store { folder: folder.to_path_buf(), file, connection })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A new run, with all that it was started with: durable before anything is sent.
    pub fn begin(&mut self, name: &str, record: &Record, texts: &[String]) -> Result<i64, Fault> {
        let text = serde_json::to_string(record).map_err(|e| Fault::new(e.to_string()))?;
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for text in texts {
            transaction
                .execute("INSERT OR IGNORE INTO texts (hash, text) VALUES (?1, ?2)", params![hash(text), text])?;
        }
        let values = params![name, now(), text];
        transaction.execute("INSERT INTO runs (name, began, record) VALUES (?1, ?2, ?3)", values)?;
        let id = transaction.last_insert_rowid();
        let forgotten = forget_old(&transaction)?;
        transaction.commit()?;
        for name in forgotten {
            // Nobody drives a run that is over; a lock that stays is an empty file.
            let _ = std::fs::remove_file(self.folder.join(format!("{name}.lock")));
        }
        Ok(id)
    }

    pub fn journal(&self, run: i64, pace: Pace) -> Result<DiskJournal, Fault> {
        DiskJournal::open(&self.file, run, pace)
    }

    /// Nothing is owed of it any more, and it will not go on: it may be forgotten one day.
    pub fn settle(&self, run: i64) -> Result<(), Fault> {
        self.connection.execute("UPDATE runs SET settled = 1 WHERE id = ?1", [run])?;
        Ok(())
    }

    /// All runs, the newest last.
    pub fn runs(&self) -> Result<Vec<Kept>, Fault> {
        let mut query = self.connection.prepare("SELECT id, name, began, record FROM runs ORDER BY id")?;
        let mut rows = query.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let (name, text): (String, String) = (row.get(1)?, row.get(3)?);
            let record = serde_json::from_str(&text)
                .map_err(|e| Fault::new(format!("what run {name} was started with cannot be read: {e}")))?;
            all.push(Kept { id: row.get(0)?, name, began: row.get(2)?, record });
        }
        Ok(all)
    }

    /// By its name, by the beginning of it that no other has, or `last`.
    pub fn find(&self, text: &str) -> Result<Kept, Fault> {
        let mut runs = self.runs()?;
        if text == "last" {
            return runs.pop().ok_or_else(|| Fault::new("there are no runs yet"));
        }
        if let Some(at) = runs.iter().position(|r| r.name == text) {
            return Ok(runs.swap_remove(at));
        }
        runs.retain(|r| !text.is_empty() && r.name.starts_with(text));
        match runs.len() {
            1 => Ok(runs.swap_remove(0)),
            0 => Err(Fault::new(format!("no run `{text}`"))),
            n => Err(Fault::new(format!("{n} runs begin with `{text}`"))),
        }
    }

    pub fn entries(&self, run: i64) -> Result<Vec<Entry>, Fault> {
        read_entries(&self.connection, run)
    }

    pub fn past(&self, run: i64) -> Result<Past, Fault> {
        Past::of(&self.entries(run)?).map_err(Fault::new)
    }

    pub fn text(&self, hash: &str) -> Result<String, Fault> {
        let found: Option<String> =
            self.connection.query_row("SELECT text FROM texts WHERE hash = ?1", [hash], |row| row.get(0)).optional()?;
        let Some(text) = found else {
            return Err(Fault::new("a text that a run was started with is not there any more"));
        };
        match self::hash(&text) == hash {
            true => Ok(text),
            false => Err(Fault::new("a text that a run was started with is damaged")),
        }
    }
}

/// Of the runs that are settled the newest are kept, and the texts that some run needs.
fn forget_old(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut query = connection.prepare(
        "DELETE FROM runs WHERE settled AND id NOT IN (SELECT id FROM runs WHERE settled ORDER BY id DESC LIMIT ?1)
         RETURNING name, record",
    )?;
    let gone: Vec<(String, String)> =
        query.query_map([ENDED_RUNS], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut unused: HashSet<&str> = gone.iter().flat_map(|(_, record)| hashes(record)).collect();
    if !unused.is_empty() {
        let mut query = connection.prepare("SELECT record FROM runs")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            for needed in hashes(&row.get::<_, String>(0)?) {
                unused.remove(needed);
            }
        }
    }
    for hash in unused {
        connection.execute("DELETE FROM texts WHERE hash = ?1", [hash])?;
    }
    Ok(gone.into_iter().map(|(name, _)| name).collect())
}

/// What may be the hash of a text in a record's JSON.
fn hashes(record: &str) -> impl Iterator<Item = &str> {
    record.split('"').filter(|word| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit()))
}

pub(in crate::run) fn private_folder(folder: &Path) -> Result<(), Fault> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|e| Fault::new(format!("its folder cannot be made: {e}")))
}

/// Whether it was made now.
pub(in crate::run) fn private_file(file: &Path) -> Result<bool, Fault> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(file) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(Fault::new(format!("it cannot be made: {e}"))),
    }
}
