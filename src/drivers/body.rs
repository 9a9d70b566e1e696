//! Reading the body of an answer, within bounds: JSON and text are read to their end, all else stays a stream.

use super::AnswerBody;
use crate::transport::Body;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use std::time::Duration;

pub const JSON_LIMIT: usize = 64 << 20;
/// Text is a message, or a console's log.
pub const TEXT_LIMIT: usize = 16 << 20;
/// Between two pieces of a stream.
const IDLE: Duration = Duration::from_secs(60);
/// Of an error, more is not read.
const ERROR_LIMIT: usize = 1 << 20;

#[derive(Debug)]
pub enum BodyError {
    /// The connection broke off.
    Cut(String),
    TooLarge(usize),
    NotJson(String),
}

/// Whether the caller wants the bytes of a success as they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    ByType,
    Stream,
}

pub async fn read(
    status: StatusCode,
    headers: &HeaderMap,
    body: Body,
    wanted: Wanted,
) -> Result<AnswerBody, BodyError> {
    if body.is_end_stream() || headers.get(CONTENT_LENGTH).is_some_and(|l| l == "0") {
        return Ok(AnswerBody::Empty);
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if !status.is_success() {
        return error_body(body).await;
    }
    if wanted == Wanted::Stream {
        return Ok(AnswerBody::Stream(flowing(body)));
    }
    if kind.is_empty() {
        let bytes = whole(body, TEXT_LIMIT).await?;
        let text = || AnswerBody::Text(String::from_utf8_lossy(&bytes).into_owned());
        return Ok(serde_json::from_slice(&bytes).map_or_else(|_| text(), AnswerBody::Json));
    }
    if kind == "application/json" || kind.ends_with("+json") {
        let bytes = whole(body, JSON_LIMIT).await?;
        if bytes.is_empty() {
            return Ok(AnswerBody::Empty);
        }
        return serde_json::from_slice(&bytes).map(AnswerBody::Json).map_err(|e| BodyError::NotJson(e.to_string()));
    }
    if kind.starts_with("text/") || kind == "application/xml" {
        let bytes = whole(body, TEXT_LIMIT).await?;
        return Ok(AnswerBody::Text(String::from_utf8_lossy(&bytes).into_owned()));
    }
    Ok(AnswerBody::Stream(flowing(body)))
}

/// A stream that breaks off when nothing comes for a while: its reader may have no time limit of its own.
fn flowing(body: Body) -> Body {
    let frames = futures_util::stream::unfold(Some(body), |body| async {
        let mut body = body?;
        match tokio::time::timeout(IDLE, body.frame()).await {
            Ok(frame) => frame.map(|frame| (frame, Some(body))),
            Err(_) => Some((Err(format!("nothing came for {} seconds", IDLE.as_secs()).into()), None)),
        }
    });
    // A body may be asked once more after its end.
    http_body_util::StreamBody::new(futures_util::StreamExt::fuse(frames)).boxed_unsync()
}

/// An error is worth reading whatever it says it is, and a broken one is still an error.
async fn error_body(body: Body) -> Result<AnswerBody, BodyError> {
    let bytes = beginning(body, ERROR_LIMIT).await;
    if bytes.is_empty() {
        return Ok(AnswerBody::Empty);
    }
    Ok(match serde_json::from_slice(&bytes) {
        Ok(value) => AnswerBody::Json(value),
        Err(_) => AnswerBody::Text(String::from_utf8_lossy(&bytes).into_owned()),
    })
}

async fn whole(mut body: Body, limit: usize) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLarge(limit));
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| BodyError::Cut(e.to_string()))?;
        if let Some(chunk) = frame.data_ref() {
            if bytes.len() + chunk.len() > limit {
                return Err(BodyError::TooLarge(limit));
            }
            bytes.extend_from_slice(chunk);
        }
    }
    Ok(bytes.freeze())
}

async fn beginning(mut body: Body, limit: usize) -> Bytes {
    let mut bytes = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(chunk) = frame.data_ref() {
            bytes.extend_from_slice(&chunk[..chunk.len().min(limit - bytes.len())]);
            if bytes.len() == limit {
                break;
            }
        }
    }
    bytes.freeze()
}
