//! The disk on which a run keeps its journal, and the runner's death at a boundary of it: before an entry is safe, or after.
//! What was not synced may be lost in a crash, always from the end; a disk may be slow, and it may be full.

use super::ether::Ether;
use super::formula::Random;
use edge::run::journal::{Entry, Journal};
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The runner dies when this entry, counted from 1 in its life, is about to be written.
    DiesBefore(u64),
    /// Or is written.
    DiesAfter(u64),
    /// From this entry on there is no room.
    Full(u64),
}

/// No runner needs so many entries.
const MOST: u64 = 10_000;

/// What lasts from one runner to the next.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    entries: Vec<Entry>,
    synced: usize,
}

impl Disk {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.kept().entries.clone()
    }

    /// The runner is dead: of what was not synced, an end is lost.
    pub fn crash(&self, random: &mut Random) {
        let mut kept = self.kept();
        let (synced, all) = (kept.synced, kept.entries.len());
        let left = synced + random.below((all - synced) as u64 + 1) as usize;
        kept.entries.truncate(left);
        kept.synced = left;
    }
}

/// The journal of one runner.
pub struct Book {
    disk: Disk,
    ether: Ether,
    trouble: Option<Trouble>,
    /// Until an entry is safe.
    slow: Duration,
    written: Mutex<u64>,
    dead: Mutex<bool>,
    died: Notify,
}

impl Book {
    pub fn new(disk: Disk, ether: Ether, trouble: Option<Trouble>, slow: Duration) -> Book {
        Book { disk, ether, trouble, slow, written: Mutex::default(), dead: Mutex::default(), died: Notify::new() }
    }

    pub async fn death(&self) {
        while !self.is_dead() {
            self.died.notified().await;
        }
    }

    pub fn is_dead(&self) -> bool {
        *self.dead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn die(&self) {
        *self.dead.lock().unwrap_or_else(PoisonError::into_inner) = true;
        let mut state = self.ether.state();
        state.kill();
        state.note(|| "  the runner dies".into());
        drop(state);
        self.died.notify_one();
    }

    /// Which entry of this life it is.
    fn turn(&self) -> u64 {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        *written += 1;
        if *written == MOST {
            let mut state = self.ether.state();
            state.promises.broken.insert(format!("it writes without end: {MOST} entries"));
            drop(state);
            self.die();
        }
        *written
    }

    pub fn written(&self) -> u64 {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, entry: Entry) {
        let mut state = self.ether.state();
        if state.trace.is_some() {
            let text: String = format!("{entry:?}").chars().take(150).collect();
            state.note(|| format!("  > {text}"));
        }
        drop(state);
        self.disk.kept().entries.push(entry);
    }
}

impl Journal for Book {
    fn record(&self, entry: Entry) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            if self.is_dead() {
                return std::future::pending().await;
            }
            let turn = self.turn();
            match self.trouble {
                Some(Trouble::Full(from)) if turn >= from => return Err("no space left on device".into()),
                Some(Trouble::DiesBefore(at)) if turn == at => {
                    self.die();
                    return std::future::pending().await;
                }
                _ => {}
            }
            self.write(entry);
            let upto = self.disk.kept().entries.len();
            if !self.slow.is_zero() {
                tokio::time::sleep(self.slow).await;
                if self.is_dead() {
                    return std::future::pending().await;
                }
            }
            {
                let mut kept = self.disk.kept();
                kept.synced = kept.synced.max(upto);
            }
            if self.trouble == Some(Trouble::DiesAfter(turn)) {
                self.die();
                return std::future::pending().await;
            }
            Ok(())
        })
    }

    fn note(&self, entry: Entry) {
        if self.is_dead() {
            return;
        }
        let turn = self.turn();
        match self.trouble {
            Some(Trouble::Full(from)) if turn >= from => {}
            Some(Trouble::DiesBefore(at)) if turn == at => self.die(),
            Some(Trouble::DiesAfter(at)) if turn == at => {
                self.write(entry);
                self.die();
            }
            _ => self.write(entry),
        }
    }

    fn entries(&self) -> Result<Vec<Entry>, String> {
        Ok(self.disk.entries())
    }
}
