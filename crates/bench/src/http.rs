//! The lightest client there is: requests are bytes made beforehand, and of an answer only its status and length are
//! read. Whatever the client spends is spent on the floor and on Signoff alike, and makes both look more equal than they
//! are; so it spends little.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A whole request, ready to be sent.
pub(crate) fn request(method: &str, path: &str, key: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let content = match length {
        0 => String::new(),
        _ => format!("content-type: application/json\r\ncontent-length: {length}\r\n"),
    };
    format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n{more}{content}\r\n{body}")
        .into_bytes()
}

/// One connection that is kept open.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("can't connect")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Sends a request and reads its answer's body.
    ///
    /// # Errors
    /// If the answer is anything but a 200 with a length.
    pub(crate) async fn call(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        self.send(request).await?;
        self.receive().await
    }

    /// Sends a request.
    pub(crate) async fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(request).await?)
    }

    /// Reads an answer's body.
    pub(crate) async fn receive(&mut self) -> anyhow::Result<&[u8]> {
        self.buffer.clear();
        let mut whole = None;
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
            if whole.is_none() {
                whole = frame(&self.buffer)?;
            }
            if let Some((head, whole)) = whole
                && self.buffer.len() >= whole
            {
                return Ok(&self.buffer[head..whole]);
            }
        }
    }
}

/// Where the body of an answer starts and ends; none while its head is not complete.
fn frame(bytes: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = &bytes[..end];
    if !head.starts_with(b"HTTP/1.1 200 ") {
        bail!("the answer is {}", String::from_utf8_lossy(bytes));
    }
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        if line[..colon].eq_ignore_ascii_case(b"content-length") {
            let length: usize = std::str::from_utf8(&line[colon + 1..])?.trim().parse()?;
            return Ok(Some((end + 4, end + 4 + length)));
        }
    }
    bail!("the answer has no length");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_framed_once_its_head_is_there() {
        assert_eq!(frame(b"HTTP/1.1 200 OK\r\n").unwrap(), None);
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx: y\r\n\r\n{}";
        assert_eq!(frame(whole).unwrap(), Some((whole.len() - 2, whole.len())));
        assert!(frame(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(frame(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
