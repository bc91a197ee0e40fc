//! A DNS server of these tests: it answers what a function says, over UDP and TCP.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

/// What a name stands for.
#[derive(Clone)]
pub(crate) enum Entry {
    Address(IpAddr),
    /// Another name, and what the answer says of that one.
    Alias(&'static str, Vec<IpAddr>),
}

/// What the server says of a name, which it is given without the dot behind it, and in lower case; none if it does not
/// exist. The number counts the questions for addresses of IPv4, from 0.
pub(crate) type Zone = Arc<dyn Fn(&str, usize) -> Option<Vec<Entry>> + Send + Sync>;

pub(crate) struct DnsServer {
    pub(crate) address: SocketAddr,
    v4: Arc<AtomicUsize>,
    v6: Arc<AtomicUsize>,
    over_tcp: Arc<AtomicUsize>,
}

impl DnsServer {
    pub(crate) async fn start(zone: Zone) -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = udp.local_addr().expect("bound");
        let tcp = TcpListener::bind(address).await.expect("the same port");
        let server = Self {
            address,
            v4: Arc::default(),
            v6: Arc::default(),
            over_tcp: Arc::default(),
        };
        let (v4, v6) = (Arc::clone(&server.v4), Arc::clone(&server.v6));
        let reply = Arc::new(move |question: &[u8]| reply(&zone, &v4, &v6, question));
        let over_udp = Arc::clone(&reply);
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                let mut message = over_udp(&buffer[..length]);
                let mut bytes = message.to_vec().expect("a message");
                if bytes.len() > 512 {
                    message.answers.clear();
                    message.metadata.truncation = true;
                    bytes = message.to_vec().expect("a message");
                }
                let _ = udp.send_to(&bytes, from).await;
            }
        });
        let counter = Arc::clone(&server.over_tcp);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let reply = Arc::clone(&reply);
                tokio::spawn(async move {
                    while let Ok(length) = stream.read_u16().await {
                        let mut question = vec![0; length.into()];
                        stream.read_exact(&mut question).await.expect("a question");
                        let bytes = reply(&question).to_vec().expect("a message");
                        let length = u16::try_from(bytes.len()).expect("fits");
                        stream.write_u16(length).await.expect("written");
                        stream.write_all(&bytes).await.expect("written");
                    }
                });
            }
        });
        server
    }

    /// Connections to this server itself, which are no calls.
    pub(crate) fn over_tcp(&self) -> usize {
        self.over_tcp.load(Ordering::SeqCst)
    }

    /// How many questions for addresses of IPv4 and of IPv6 were put.
    pub(crate) fn questions(&self) -> (usize, usize) {
        (self.v4.load(Ordering::SeqCst), self.v6.load(Ordering::SeqCst))
    }
}

fn reply(zone: &Zone, v4: &AtomicUsize, v6: &AtomicUsize, question: &[u8]) -> Message {
    let asked = Message::from_vec(question).expect("a question");
    let query = asked.queries.first().expect("a query").clone();
    let mut message = Message::response(asked.metadata.id, asked.metadata.op_code);
    message.metadata.recursion_available = true;
    message.metadata.authoritative = true;
    let wants_v4 = query.query_type() == RecordType::A;
    let number = if wants_v4 {
        v4.fetch_add(1, Ordering::SeqCst)
    } else {
        v6.fetch_add(1, Ordering::SeqCst);
        v4.load(Ordering::SeqCst)
    };
    let name = query.name().to_ascii().to_lowercase();
    match zone(name.trim_end_matches('.'), number) {
        None => message.metadata.response_code = ResponseCode::NXDomain,
        Some(entries) => {
            for entry in entries {
                match entry {
                    Entry::Address(address) => add(&mut message, query.name(), wants_v4, address),
                    Entry::Alias(target, addresses) => {
                        let target = Name::from_ascii(target).expect("a name");
                        let alias = RData::CNAME(CNAME(target.clone()));
                        message.add_answer(Record::from_rdata(query.name().clone(), 0, alias));
                        for address in addresses {
                            add(&mut message, &target, wants_v4, address);
                        }
                    }
                }
            }
        }
    }
    message.add_query(query);
    message
}

fn add(message: &mut Message, name: &Name, wants_v4: bool, address: IpAddr) {
    let data = match address {
        IpAddr::V4(v4) if wants_v4 => RData::A(A(v4)),
        IpAddr::V6(v6) if !wants_v4 => RData::AAAA(AAAA(v6)),
        _ => return,
    };
    message.add_answer(Record::from_rdata(name.clone(), 0, data));
}
