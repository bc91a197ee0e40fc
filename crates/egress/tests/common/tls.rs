//! TLS servers of these tests. Each serves one call at a time, on a thread of its own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A connection on which TLS stands.
pub(crate) type Stream = StreamOwned<ServerConnection, TcpStream>;

pub(crate) struct TlsServer {
    pub(crate) address: SocketAddr,
    seen: Receiver<Vec<u8>>,
}

impl TlsServer {
    /// Listens at this address with this certificate and offers these protocols; what it was sent first is kept, and
    /// answered as the function does.
    pub(crate) fn start(
        at: &str,
        certificate: &[u8],
        protocols: &[&str],
        answer: impl Fn(&mut Stream) + Send + 'static,
    ) -> Self {
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../data/leaf.key.pem")).expect("a key");
        let certificate = CertificateDer::from_pem_slice(certificate).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they belong together");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let config = Arc::new(config);
        let listener = TcpListener::bind(at).expect("free");
        let address = listener.local_addr().expect("bound");
        let (sender, seen) = channel();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let connection = connection.expect("a connection");
                let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
                let mut stream = StreamOwned::new(session, connection);
                let mut request = vec![0; 16 * 1024];
                // Whoever does not trust the certificate goes away before it has sent anything.
                if let Ok(length) = stream.read(&mut request)
                    && length > 0
                {
                    request.truncate(length);
                    if request.starts_with(PREFACE) {
                        read_to_call(&mut stream, &mut request);
                    }
                    let _ = sender.send(request);
                    answer(&mut stream);
                    let _ = stream.flush();
                }
            }
        });
        Self { address, seen }
    }

    /// Whether anything was sent to it, beyond agreeing on TLS.
    pub(crate) fn was_sent_something(&self) -> bool {
        self.seen.try_recv().is_ok()
    }
}

/// How a client of HTTP/2 begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until the head of the call is there: a server may not answer what was not asked yet.
fn read_to_call(stream: &mut Stream, request: &mut Vec<u8>) {
    let mut at = PREFACE.len();
    loop {
        while request.len() < at + 9 {
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer) {
                Ok(length) if length > 0 => request.extend_from_slice(&buffer[..length]),
                _ => return,
            }
        }
        if request[at + 3] == 1 {
            return;
        }
        let length = [0, request[at], request[at + 1], request[at + 2]];
        at += 9 + usize::try_from(u32::from_be_bytes(length)).expect("fits");
    }
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("fits").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(content);
    frame
}

/// A header of HTTP/2 as literals (RFC 7541, 6.2.2).
pub(crate) fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        field.push(
            u8::try_from(text.len())
                .ok()
                .filter(|length| *length < 127)
                .expect("short"),
        );
        field.extend_from_slice(text.as_bytes());
    }
    field
}
