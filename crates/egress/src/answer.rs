//! The answer of an upstream: what it said in its head, and a body that is read piece by piece.

use std::fmt;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use reqwest::header::{CONNECTION, CONTENT_ENCODING, HeaderMap};
use tokio::time::{Instant, timeout_at};

use signoff_core::http::CONNECTION_HEADERS;

use crate::BodyEnd;
use crate::mask::{Mask, Masking};
use crate::unpack::{Packing, Pieces};

/// An answer of the other side, whatever its status. Nothing in it shows the credential it was asked with. Its debug
/// form shows neither headers nor body.
pub struct Answer {
    /// The status code; a 3xx stands here like any other and was not followed.
    pub status: u16,
    /// Names in lower case and values, in order, without those of the connection: [`CONNECTION_HEADERS`], and whatever
    /// `Connection` names; without `Content-Encoding` where the body was unpacked.
    pub headers: Vec<(String, String)>,
    /// The body, which arrives while it is read.
    pub body: AnswerBody,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// Reads the head; the body follows until the deadline.
    pub(crate) fn new(response: Response, deadline: Instant, mask: Option<Mask>) -> Self {
        // Without a credential there is nothing to look for: what was sent is handed on.
        let packing = match mask {
            Some(_) => Packing::of(response.headers()),
            None => Packing::None,
        };
        let status = response.status().as_u16();
        let mut headers = shown_headers(response.headers(), mask.as_ref());
        let pieces = if let Packing::Known(coding) = packing {
            headers.retain(|(name, _)| name != CONTENT_ENCODING.as_str());
            Pieces::Packed(Some(response), coding)
        } else {
            Pieces::Sent(response)
        };
        Self {
            status,
            headers,
            body: AnswerBody {
                withheld: packing == Packing::Unknown,
                masking: mask.map(Masking::new),
                pieces,
                deadline,
                ended: None,
            },
        }
    }
}

/// Why a body has no further piece although it may not be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BodyFault {
    /// The connection broke, or the upstream broke the protocol.
    #[error("the answer broke off")]
    Broken,
    /// The time allowed for the whole call was over.
    #[error("the answer was not over within the time allowed")]
    TimedOut,
    /// The upstream packed the body although it was asked not to, and in a way that is not undone here, so that nobody
    /// can tell whether the credential is in it. Its bytes are not shown.
    #[error(
        "the answer came packed in a way that can't be undone here, and can't be searched for the credential"
    )]
    Packed,
}

/// The body of an [`Answer`]. Dropping it ends the connection.
pub struct AnswerBody {
    pieces: Pieces,
    deadline: Instant,
    masking: Option<Masking>,
    withheld: bool,
    ended: Option<Result<(), BodyFault>>,
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl AnswerBody {
    /// The next piece, never empty; none once the body is over. A piece that was being waited for is not lost if the
    /// waiting is given up.
    ///
    /// # Errors
    /// Why there is no further piece; the same each time it is asked for again.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyFault> {
        loop {
            if let Some(ended) = self.ended {
                return ended.map(|()| None);
            }
            // An upstream that always has more would otherwise never let the clock be looked at.
            let next = if Instant::now() >= self.deadline {
                Err(BodyFault::TimedOut)
            } else {
                match timeout_at(self.deadline, self.pieces.next()).await {
                    Err(_) => Err(BodyFault::TimedOut),
                    Ok(Err(_)) => Err(BodyFault::Broken),
                    Ok(Ok(Some(bytes))) if self.withheld && !bytes.is_empty() => Err(BodyFault::Packed),
                    Ok(Ok(next)) => Ok(next),
                }
            };
            let shown = match next {
                Err(fault) => {
                    self.ended = Some(Err(fault));
                    continue;
                }
                Ok(Some(bytes)) => match &mut self.masking {
                    Some(masking) => masking.push(&bytes),
                    None => bytes,
                },
                Ok(None) => {
                    self.ended = Some(Ok(()));
                    self.masking.as_mut().map(Masking::finish).unwrap_or_default()
                }
            };
            if !shown.is_empty() {
                return Ok(Some(shown));
            }
        }
    }

    /// Collects the body, at most this many bytes of it.
    pub async fn keep(mut self, max_bytes: usize) -> (Bytes, BodyEnd) {
        let mut kept = BytesMut::new();
        let end = loop {
            match self.chunk().await {
                Ok(Some(bytes)) => {
                    let room = max_bytes - kept.len();
                    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
                    if bytes.len() > room {
                        break BodyEnd::Cut;
                    }
                }
                Ok(None) => break BodyEnd::Whole,
                Err(BodyFault::Packed) => break BodyEnd::Withheld,
                Err(BodyFault::Broken | BodyFault::TimedOut) => break BodyEnd::Broken,
            }
        };
        (kept.freeze(), end)
    }
}

fn shown_headers(headers: &HeaderMap, mask: Option<&Mask>) -> Vec<(String, String)> {
    let named: Vec<String> = listed(headers, CONNECTION.as_str()).collect();
    let of_connection =
        |name: &str| CONNECTION_HEADERS.contains(&name) || named.iter().any(|listed| listed == name);
    headers
        .iter()
        .filter(|(name, _)| !of_connection(name.as_str()))
        .filter(|(name, _)| !mask.is_some_and(|mask| mask.is_in(name.as_str().as_bytes())))
        .map(|(name, value)| {
            let value = match mask {
                Some(mask) => String::from_utf8_lossy(&mask.value(value.as_bytes())).into_owned(),
                None => String::from_utf8_lossy(value.as_bytes()).into_owned(),
            };
            (name.to_string(), value)
        })
        .collect()
}

/// The parts of a header that is a list, in lower case.
pub(crate) fn listed(headers: &HeaderMap, name: &str) -> impl Iterator<Item = String> {
    let values = headers.get_all(name).into_iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|part| String::from_utf8_lossy(part).trim().to_ascii_lowercase())
        .filter(|part| !part.is_empty())
}
