//! Who drives a run: at most one process. The lock is the operating system's, so it ends with the process however that ends;
//! what is written in the file only tells others whom they are waiting for.

use super::store::Fault;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Held as long as a run is driven.
#[derive(Debug)]
pub struct Driver {
    _locked: File,
}

impl Driver {
    /// An error says who else drives it.
    pub fn take(folder: &Path, run: &str) -> Result<Driver, Fault> {
        let path = path(folder, run);
        let wrong = |e: std::io::Error| Fault::new(format!("the lock `{}`: {e}", path.display()));
        let mut file = open(&path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = owner(&mut file).unwrap_or_else(|| "another process".into());
                return Err(Fault::new(format!("run {run} is driven by {owner}")));
            }
            Err(TryLockError::Error(e)) => return Err(wrong(e)),
        }
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if host.trim().is_empty() { String::new() } else { format!(" on {}", host.trim()) };
        file.set_len(0).map_err(wrong)?;
        write!(file, "process {}{host}", std::process::id()).map_err(wrong)?;
        Ok(Driver { _locked: file })
    }

    /// Who drives it now; nobody, where nobody does.
    pub fn of(folder: &Path, run: &str) -> Option<String> {
        let mut file = OpenOptions::new().read(true).open(path(folder, run)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(owner(&mut file).unwrap_or_else(|| "another process".into())),
            _ => None,
        }
    }
}

fn path(folder: &Path, run: &str) -> PathBuf {
    folder.join(format!("{run}.lock"))
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn owner(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(200).read_to_string(&mut text).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_string())
}
