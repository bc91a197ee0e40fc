//! The way to a mail server: a vetted connection, private as the channel says or not at all.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use signoff_egress::{Egress, EgressError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::smtp::{Reply, Stop};
use crate::transport::{Email, SmtpSecurity};

/// Longest answer before TLS, in bytes.
const PREAMBLE_BYTES_MAX: usize = 8 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// A connection on which SMTP can begin: what is read first is the server's greeting.
pub(super) struct Wire {
    /// A greeting that was read already, which after STARTTLS does not come again.
    greeting: &'static [u8],
    stream: Box<dyn Stream>,
    peer: SocketAddr,
    local: SocketAddr,
}

impl Wire {
    /// Connects and makes private what has to be.
    pub(super) async fn open(egress: &Egress, email: &Email, deadline: Instant) -> Result<Self, Stop> {
        let mut stream = egress.connect_tcp(&email.host, email.port, deadline).await?;
        let gone = |_| Stop::Broken("the connection broke at once");
        let (peer, local) = (
            stream.peer_addr().map_err(gone)?,
            stream.local_addr().map_err(gone)?,
        );
        let (greeting, stream): (&'static [u8], Box<dyn Stream>) = match email.security {
            SmtpSecurity::None => (b"", Box::new(stream)),
            SmtpSecurity::Tls => (b"", Box::new(private(egress, stream, email, deadline).await?)),
            SmtpSecurity::Starttls => {
                ask_for_tls(&mut stream, local).await?;
                (
                    b"220 ready\r\n",
                    Box::new(private(egress, stream, email, deadline).await?),
                )
            }
        };
        Ok(Self {
            greeting,
            stream,
            peer,
            local,
        })
    }

    /// This end's address, as which Signoff introduces itself: its name is nobody's business.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }
}

async fn private(
    egress: &Egress,
    stream: TcpStream,
    email: &Email,
    deadline: Instant,
) -> Result<impl Stream + use<>, Stop> {
    let secured = egress.secure(stream, &email.host, deadline).await;
    secured.map_err(|error| match error {
        EgressError::NotSent { detail } => Stop::Tls(detail),
        error => error.into(),
    })
}

/// The part of the conversation that happens in the clear. Whoever stands in between can say anything in it, so it is
/// believed nothing but "go ahead": a server without STARTTLS is a failure and never a reason to do without.
///
/// Bytes are read one at a time, so that nothing said in the clear is left over to pass for an answer under TLS.
async fn ask_for_tls(stream: &mut TcpStream, local: SocketAddr) -> Result<(), Stop> {
    let mut room = PREAMBLE_BYTES_MAX;
    expect(read_reply(stream, &mut room).await?, 220)?;
    let hello = format!("EHLO {}\r\n", domain_literal(local));
    stream.write_all(hello.as_bytes()).await.map_err(broke)?;
    let (reply, lines) = read_reply(stream, &mut room).await?;
    expect((reply, Vec::new()), 250)?;
    let offered = lines
        .iter()
        .any(|line| line.trim().eq_ignore_ascii_case("STARTTLS"));
    if !offered {
        return Err(Stop::NoTls);
    }
    stream.write_all(b"STARTTLS\r\n").await.map_err(broke)?;
    match read_reply(stream, &mut room).await? {
        (Reply { code: 220, .. }, _) => Ok(()),
        (reply, _) if (400..500).contains(&reply.code) => Err(Stop::Greeting(reply)),
        _ => Err(Stop::NoTls),
    }
}

fn expect((reply, _): (Reply, Vec<String>), code: u16) -> Result<(), Stop> {
    if reply.code == code {
        Ok(())
    } else {
        Err(Stop::Greeting(reply))
    }
}

/// `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
fn domain_literal(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => format!("[{}]", v4.ip()),
        SocketAddr::V6(v6) => format!("[IPv6:{}]", v6.ip()),
    }
}

/// One answer of the server, which may have several lines: its code, and the text of each line.
async fn read_reply(stream: &mut TcpStream, room: &mut usize) -> Result<(Reply, Vec<String>), Stop> {
    let mut lines = Vec::new();
    loop {
        let line = read_line(stream, room).await?;
        let odd = || Stop::Broken("what answers there speaks no SMTP");
        let code: u16 = line.get(..3).and_then(|code| code.parse().ok()).ok_or_else(odd)?;
        lines.push(line.get(4..).unwrap_or_default().to_owned());
        match line.as_bytes().get(3) {
            Some(b'-') => {}
            Some(b' ') | None => return Ok((Reply::read(code, &lines.join(" ")), lines)),
            _ => return Err(odd()),
        }
    }
}

async fn read_line(stream: &mut TcpStream, room: &mut usize) -> Result<String, Stop> {
    let mut line = Vec::new();
    loop {
        let byte = stream.read_u8().await.map_err(broke)?;
        *room = room
            .checked_sub(1)
            .ok_or(Stop::Broken("the mail server's answer is too long"))?;
        match byte {
            b'\n' => break,
            b'\r' => {}
            byte => line.push(byte),
        }
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn broke(_: io::Error) -> Stop {
    Stop::Broken("the mail server closed the connection before TLS")
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire(…)")
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.greeting.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let (now, later) = self.greeting.split_at(self.greeting.len().min(into.remaining()));
        into.put_slice(now);
        self.greeting = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
