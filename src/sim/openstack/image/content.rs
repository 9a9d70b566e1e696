//! The bytes of images, and what Glance computes of them.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};
use sha2::Sha512;

use crate::sim::source::Source;

const CHUNK: usize = 256 << 10;

pub(super) struct Content {
    pub chunks: Vec<Bytes>,
    pub size: u64,
    pub md5: String,
    pub sha512: String,
}

/// Content made from a word and a size; equal ones are one.
#[derive(Default)]
pub(in crate::sim) struct Contents(HashMap<(String, u64), Arc<Content>>);

impl Contents {
    pub(super) fn of(&mut self, word: &str, size: u64) -> Arc<Content> {
        let made = self.0.entry((word.to_string(), size)).or_insert_with(|| {
            let mut source = Source::new(0, word);
            let mut gathered = Gathered::default();
            let mut left = size as usize;
            while left > 0 {
                let mut piece = BytesMut::with_capacity(CHUNK.min(left) + 8);
                while piece.len() < CHUNK.min(left) {
                    piece.extend_from_slice(&source.next().to_be_bytes());
                }
                piece.truncate(CHUNK.min(left));
                left -= piece.len();
                gathered.add(piece.freeze());
            }
            Arc::new(gathered.finish())
        });
        made.clone()
    }
}

/// Data as it arrives, hashed on the way.
#[derive(Default)]
pub(super) struct Gathered {
    chunks: Vec<Bytes>,
    /// Small pieces, joined: a body of single bytes must not cost a buffer for each.
    small: BytesMut,
    pub size: u64,
    md5: Md5,
    sha512: Sha512,
}

impl Gathered {
    pub fn add(&mut self, bytes: Bytes) {
        self.size += bytes.len() as u64;
        self.md5.update(&bytes);
        self.sha512.update(&bytes);
        if bytes.len() >= CHUNK / 4 {
            self.flush();
            self.chunks.push(bytes);
        } else {
            self.small.extend_from_slice(&bytes);
            if self.small.len() >= CHUNK {
                self.flush();
            }
        }
    }

    pub fn finish(mut self) -> Content {
        self.flush();
        Content {
            chunks: self.chunks,
            size: self.size,
            md5: hexadecimal(&self.md5.finalize()),
            sha512: hexadecimal(&self.sha512.finalize()),
        }
    }

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push(self.small.split().freeze());
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
