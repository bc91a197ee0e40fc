//! Bodies that come packed although they were asked for as they are: some servers keep files packed, and send them so to
//! everybody. They are unpacked, because what is packed can't be searched for the credential.

use std::io;

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, TRANSFER_ENCODING};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::io::StreamReader;

use crate::answer::listed;

/// How much of a body is unpacked at once, in bytes. A small body may stand for a very large one: never more of it is there
/// than somebody asked for.
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Not at all.
    None,
    /// Once, in a way that is undone while it is read.
    Known(Coding),
    /// More than once, or in a way that is not known here.
    Unknown,
}

/// A coding that is undone here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    /// What HTTP calls `deflate` (RFC 9110, 8.4.1.2): zlib.
    Zlib,
    Brotli,
}

impl Packing {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if listed(headers, TRANSFER_ENCODING.as_str()).any(|coding| coding != "chunked") {
            return Self::Unknown;
        }
        let mut codings = listed(headers, CONTENT_ENCODING.as_str()).filter(|coding| coding != "identity");
        match (codings.next().as_deref(), codings.next()) {
            (None, _) => Self::None,
            (Some("gzip" | "x-gzip"), None) => Self::Known(Coding::Gzip),
            (Some("deflate"), None) => Self::Known(Coding::Zlib),
            (Some("br"), None) => Self::Known(Coding::Brotli),
            _ => Self::Unknown,
        }
    }
}

/// A body, piece by piece.
pub(crate) enum Pieces {
    /// As it was sent.
    Sent(Response),
    /// To be unpacked; nothing of it was read yet. An answer may say that it is packed and have no body.
    Packed(Option<Response>, Coding),
    /// Being unpacked.
    Unpacking(Box<dyn AsyncRead + Send + Sync + Unpin>),
}

impl Pieces {
    /// The next piece; none at the end. Nothing is lost if the waiting is given up.
    ///
    /// # Errors
    /// If the connection broke, or what came can't be unpacked.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self {
                Self::Sent(response) => return response.chunk().await.map_err(io::Error::other),
                Self::Packed(response, coding) => {
                    let Some(open) = response else { return Ok(None) };
                    let first = open.chunk().await.map_err(io::Error::other)?;
                    let (Some(first), Some(rest)) = (first, response.take()) else {
                        return Ok(None);
                    };
                    *self = Self::Unpacking(unpacking(first, rest, *coding));
                }
                Self::Unpacking(body) => {
                    let mut piece = BytesMut::with_capacity(PIECE_BYTES_MAX);
                    let read = body.read_buf(&mut piece).await?;
                    return Ok((read > 0).then(|| piece.freeze()));
                }
            }
        }
    }
}

fn unpacking(first: Bytes, rest: Response, coding: Coding) -> Box<dyn AsyncRead + Send + Sync + Unpin> {
    let rest = rest.bytes_stream().map_err(io::Error::other);
    let packed = StreamReader::new(stream::iter([Ok(first)]).chain(rest));
    match coding {
        Coding::Gzip => {
            let mut decoder = GzipDecoder::new(packed);
            // A file of several members is one body (RFC 1952, 2.2).
            decoder.multiple_members(true);
            Box::new(decoder)
        }
        Coding::Zlib => Box::new(ZlibDecoder::new(packed)),
        Coding::Brotli => Box::new(BrotliDecoder::new(packed)),
    }
}
