//! The journal on disk: one SQLite file of the user, in which every run of every process has its entries in order.
//!
//! The hard idea is the group commit. One thread of the process writes; while it waits for the disk, entries of all
//! operations in flight gather, and share the next sync. Entries that nobody waits for are written with those that
//! somebody does, or a moment later. SQLite's write-ahead log holds checksums, so what a power cut tears is as if it had
//! not been written; an order is kept, so only an end can be missing.

use super::store::{Fault, connect};
use super::{Entry, Journal};
use futures_util::future::BoxFuture;
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// Entries of one transaction, at most.
const BATCH: usize = 4_096;
/// Entries that nobody waits for are written after this time.
const LAZY: Duration = Duration::from_millis(250);
/// An answer that is larger is asked for again by a resumed run.
const MOST_ANSWER: usize = 16 << 20;

/// What is to be written.
struct Order {
    run: i64,
    text: String,
    /// Told when it is synced.
    done: Option<oneshot::Sender<Result<(), String>>>,
}

/// The writer of a process. Runs of simulated sites write at once instead, in the caller's thread: under virtual time
/// nothing may be waited for outside of it.
enum Writer {
    Thread(Sender<Order>),
    AtOnce(Mutex<Pen>),
}

/// One run in the journal of the user.
pub struct DiskJournal {
    path: PathBuf,
    run: i64,
    writer: Writer,
    /// The first thing that went wrong: from then on nothing is written.
    fault: Arc<Mutex<Option<String>>>,
}

/// When entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// By a thread, many at once.
    Gathered,
    /// In the caller's thread, under virtual time.
    AtOnce,
}

impl DiskJournal {
    /// `run` is its number in the file.
    pub fn open(path: &Path, run: i64, pace: Pace) -> Result<DiskJournal, Fault> {
        let pen = Pen::new(connect(path)?);
        let fault = Arc::new(Mutex::new(None));
        let writer = match pace {
            Pace::AtOnce => Writer::AtOnce(Mutex::new(pen)),
            Pace::Gathered => {
                let (orders, taken) = channel();
                let seen = fault.clone();
                std::thread::Builder::new()
                    .name("journal".into())
                    .spawn(move || write_all(pen, &taken, &seen))
                    .map_err(|e| Fault::new(format!("no thread for the journal: {e}")))?;
                Writer::Thread(orders)
            }
        };
        Ok(DiskJournal { path: path.to_path_buf(), run, writer, fault })
    }

    fn order(&self, entry: &Entry, done: Option<oneshot::Sender<Result<(), String>>>) {
        let refuse = |done: Option<oneshot::Sender<_>>, why: String| {
            if let Some(done) = done {
                let _ = done.send(Err(why));
            }
        };
        if let Some(why) = lock(&self.fault).clone() {
            return refuse(done, why);
        }
        let text = match serde_json::to_string(entry) {
            Ok(text) => text,
            Err(e) => return refuse(done, format!("an entry cannot be written: {e}")),
        };
        if matches!(entry, Entry::Answer { .. }) && text.len() > MOST_ANSWER {
            return tracing::warn!(target: "edge", "an answer of {} bytes is not kept", text.len());
        }
        let order = Order { run: self.run, text, done };
        match &self.writer {
            Writer::Thread(orders) => {
                if let Err(lost) = orders.send(order) {
                    refuse(lost.0.done, "the thread of the journal has ended".into());
                }
            }
            Writer::AtOnce(pen) => {
                let now = order.done.is_some();
                let mut pen = lock(pen);
                pen.gather(order);
                if now || pen.orders.len() >= BATCH {
                    pen.commit(&self.fault);
                }
            }
        }
    }
}

impl Journal for DiskJournal {
    fn record(&self, entry: Entry) -> BoxFuture<'_, Result<(), String>> {
        let (done, told) = oneshot::channel();
        self.order(&entry, Some(done));
        Box::pin(async move { told.await.unwrap_or_else(|_| Err("the thread of the journal has ended".into())) })
    }

    fn note(&self, entry: Entry) {
        self.order(&entry, None);
    }

    fn entries(&self) -> Result<Vec<Entry>, String> {
        // Whatever was noted is read with the rest.
        match &self.writer {
            Writer::AtOnce(pen) => lock(pen).commit(&self.fault),
            Writer::Thread(orders) => {
                let (done, told) = oneshot::channel();
                let nothing = Order { run: self.run, text: String::new(), done: Some(done) };
                if orders.send(nothing).is_ok() {
                    wait(told);
                }
            }
        }
        if let Some(why) = lock(&self.fault).clone() {
            return Err(why);
        }
        super::store::entries(&self.path, self.run).map_err(|fault| fault.message)
    }
}

/// Waits for the writer, which needs nothing of this thread: the time of a sync.
fn wait(mut told: oneshot::Receiver<Result<(), String>>) {
    while matches!(told.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Writes transactions.
struct Pen {
    connection: Connection,
    orders: Vec<Order>,
    /// The number of the next entry of each run.
    next: HashMap<i64, i64>,
}

impl Pen {
    fn new(connection: Connection) -> Pen {
        Pen { connection, orders: Vec::new(), next: HashMap::new() }
    }

    fn gather(&mut self, order: Order) {
        self.orders.push(order);
    }

    /// All that has gathered becomes durable, or none of it.
    fn commit(&mut self, fault: &Mutex<Option<String>>) {
        let orders = std::mem::take(&mut self.orders);
        let earlier = lock(fault).clone();
        let result = match earlier {
            Some(why) => Err(why),
            None => self.write(&orders).map_err(|e| Fault::of(&e).message),
        };
        if let Err(why) = &result {
            lock(fault).get_or_insert_with(|| why.clone());
        }
        for done in orders.into_iter().filter_map(|o| o.done) {
            // Nobody waits any more only when the run has been left.
            let _ = done.send(result.clone());
        }
    }

    fn write(&mut self, orders: &[Order]) -> rusqlite::Result<()> {
        if orders.iter().all(|o| o.text.is_empty()) {
            return Ok(());
        }
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO entries (run, number, at, entry) VALUES (?1, ?2, ?3, ?4)")?;
            let at = now();
            for order in orders.iter().filter(|o| !o.text.is_empty()) {
                let next = match self.next.get(&order.run) {
                    Some(next) => *next,
                    None => transaction.query_row(
                        "SELECT COALESCE(MAX(number), 0) + 1 FROM entries WHERE run = ?1",
                        [order.run],
                        |row| row.get(0),
                    )?,
                };
                insert.execute(params![order.run, next, at, order.text])?;
                self.next.insert(order.run, next + 1);
            }
        }
        transaction.commit()
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        self.commit(&Mutex::new(None));
    }
}

fn write_all(mut pen: Pen, orders: &Receiver<Order>, fault: &Mutex<Option<String>>) {
    loop {
        let first = match pen.orders.is_empty() {
            true => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            // Only such as nobody waits for.
            false => orders.recv_timeout(LAZY),
        };
        let mut waited_for = false;
        match first {
            Ok(order) => {
                waited_for |= order.done.is_some();
                pen.gather(order);
            }
            Err(RecvTimeoutError::Timeout) => {
                pen.commit(fault);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return pen.commit(fault),
        }
        while pen.orders.len() < BATCH
            && let Ok(order) = orders.try_recv()
        {
            waited_for |= order.done.is_some();
            pen.gather(order);
        }
        if waited_for || pen.orders.len() >= BATCH {
            pen.commit(fault);
        }
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
