//! Bytes on their way to a site: from a file or from another site, streamed, never held whole, with progress as events.

use super::Run;
use super::event::EventKind;
use super::trouble::Trouble;
use crate::drivers::Upload;
use crate::transport::{Body, BoxError};
use bytes::Bytes;
use edge_lang::eval::Key;
use edge_lang::model::SiteId;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, BodyStream, StreamBody};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::sync::Mutex;

/// What is read of a file at once, and held per upload.
const CHUNK: usize = 256 * 1024;
/// Events about an upload come at most this often, in bytes.
const NOTICE: u64 = 8 * 1024 * 1024;

struct Meter {
    events: super::event::Events,
    key: Key,
    from: Option<SiteId>,
    to: SiteId,
    what: String,
    total: Option<u64>,
    done: u64,
    noticed: u64,
}

impl Meter {
    fn count(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if self.done - self.noticed >= NOTICE || Some(self.done) == self.total {
            self.noticed = self.done;
            let (from, to, what) = (self.from, self.to, self.what.clone());
            let kind = EventKind::Copying { from, to, what, done: self.done, total: self.total };
            self.events.emit(Some(&self.key), kind);
        }
    }
}

/// The file at `path`, opened anew for each attempt.
pub async fn of_file(run: &Run, key: &Key, to: SiteId, path: &str) -> Result<Upload, Trouble> {
    let path = PathBuf::from(path);
    let metadata = tokio::fs::metadata(&path)
        .await
        .map_err(|e| Trouble::refused(format!("file `{}` cannot be read: {e}", path.display())))?;
    if !metadata.is_file() {
        return Err(Trouble::refused(format!("`{}` is not a file", path.display())));
    }
    let length = metadata.len();
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let (events, key) = (run.events.clone(), key.clone());
    let open = move || {
        let (events, key, path) = (events.clone(), key.clone(), path.clone());
        let what = format!("sending {name}");
        let meter = Meter { events, key, from: None, to, what, total: Some(length), done: 0, noticed: 0 };
        let opened: futures_util::future::BoxFuture<'static, std::io::Result<Body>> = Box::pin(async move {
            let file = tokio::fs::File::open(&path).await?;
            let frames = stream::try_unfold((file, meter), |(mut file, mut meter)| async move {
                let mut chunk = vec![0; CHUNK];
                let read = file.read(&mut chunk).await.map_err(|e| Box::new(e) as BoxError)?;
                if read == 0 {
                    return Ok::<_, BoxError>(None);
                }
                chunk.truncate(read);
                meter.count(read);
                Ok(Some((Frame::data(Bytes::from(chunk)), (file, meter))))
            });
            Ok(StreamBody::new(frames).boxed_unsync())
        });
        opened
    };
    Ok(Upload { length: Some(length), open: Box::new(open) })
}

/// What another site sends, passed on as it comes. It can be read once.
pub fn of_stream(
    run: &Run,
    key: &Key,
    from: SiteId,
    to: SiteId,
    what: String,
    body: Body,
    length: Option<u64>,
) -> Upload {
    let meter = Meter {
        events: run.events.clone(),
        key: key.clone(),
        from: Some(from),
        to,
        what,
        total: length,
        done: 0,
        noticed: 0,
    };
    let held = Arc::new(Mutex::new(Some((body, meter))));
    let open = move || {
        let held = held.clone();
        let opened: futures_util::future::BoxFuture<'static, std::io::Result<Body>> = Box::pin(async move {
            let Some((body, mut meter)) = held.lock().await.take() else {
                return Err(std::io::Error::other("the source has been read already"));
            };
            let frames = BodyStream::new(body).map(move |frame| {
                if let Ok(frame) = &frame
                    && let Some(data) = frame.data_ref()
                {
                    meter.count(data.len());
                }
                frame
            });
            Ok(StreamBody::new(frames).boxed_unsync())
        });
        opened
    };
    Upload { length, open: Box::new(open) }
}
