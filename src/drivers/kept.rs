//! A secret where the configuration says that it is. Files are read anew from time to time, and when the site refuses
//! what was read: whoever rotates a secret writes the file, and tells nobody.

use super::Failure;
use crate::config::Kept;
use secrecy::{ExposeSecret, SecretString};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What was read serves for so long, as for other clients of such files.
const FRESH: Duration = Duration::from_secs(60);
/// No secret is larger.
const MOST: u64 = 1 << 20;

pub struct Keeper {
    kept: Kept,
    held: Mutex<Option<Held>>,
}

#[derive(Clone)]
struct Held {
    secret: SecretString,
    /// Counts the contents so far.
    number: u64,
    read: Instant,
}

impl Keeper {
    pub fn new(kept: Kept) -> Keeper {
        Keeper { kept, held: Mutex::new(None) }
    }

    /// The secret, and the number of its content where it can change. After the site has refused that of a number, the
    /// file is read again.
    pub fn get(&self, refused: Option<u64>) -> Result<(SecretString, Option<u64>), Failure> {
        let path = match &self.kept {
            Kept::Here(secret) => return Ok((secret.clone(), None)),
            Kept::File(path) => path,
        };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = &*held
            && refused != Some(held.number)
            && held.read.elapsed() < FRESH
        {
            return Ok((held.secret.clone(), Some(held.number)));
        }
        let unreadable = |why: String| Failure::Configuration(format!("`{}` cannot be read: {why}", path.display()));
        let text = match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => Err("it is a directory".to_string()),
            Ok(found) if found.len() > MOST => Err("it is larger than 1 MiB".to_string()),
            Ok(_) => std::fs::read_to_string(path).map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        // While it is being replaced it may not be there: the last one may still serve.
        let text = match (text, &*held) {
            (Ok(text), _) => SecretString::from(text.trim().to_string()),
            (Err(_), Some(held)) => held.secret.clone(),
            (Err(why), None) => return Err(unreadable(why)),
        };
        if text.expose_secret().is_empty() {
            return Err(unreadable("it is empty".into()));
        }
        let number = match &*held {
            Some(held) if held.secret.expose_secret() == text.expose_secret() => held.number,
            Some(held) => held.number + 1,
            None => 1,
        };
        *held = Some(Held { secret: text.clone(), number, read: Instant::now() });
        Ok((text, Some(number)))
    }
}
