//! A call, as it would be sent: what an approver reads before it is.

use crate::console::body::{Body, Content, Field};
use crate::console::inert::Inert;

/// Everything of a call.
#[derive(Debug, Clone)]
pub struct CallShown {
    /// The method, in upper case.
    pub method: String,
    /// Scheme, host and port.
    pub origin: Inert,
    /// What is odd about the host, if anything.
    pub host_warning: Option<String>,
    /// The path.
    pub path: Inert,
    /// The parameters of the query, in order.
    pub query: Vec<Field>,
    /// The query as it is, where not every program takes it apart alike.
    pub query_raw: Option<Inert>,
    /// Why two programs could read the query differently.
    pub query_doubt: Option<Inert>,
    /// The URL in one piece, for copying.
    pub url: Inert,
    /// What is sent beside the body, by name.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Option<Body>,
    /// The grant that it is made with.
    pub grant: Option<GrantUsed>,
}

/// A header of a call or of an answer.
#[derive(Debug, Clone)]
pub struct Header {
    /// Its name, in lower case.
    pub name: Inert,
    /// Its value; none where the grant hides it.
    pub value: Option<Inert>,
}

/// The grant of a call, without its value.
#[derive(Debug, Clone)]
pub struct GrantUsed {
    /// Its name.
    pub name: Inert,
    /// Its page; none where it was taken away.
    pub href: Option<String>,
    /// How it goes into the call, in words.
    pub kind: Inert,
    /// Where it may go.
    pub origins: Vec<Inert>,
    /// Tells its values apart.
    pub fingerprint: String,
}

impl CallShown {
    /// Whether it takes something away for good.
    pub fn is_destructive(&self) -> bool {
        self.method == "DELETE"
    }

    /// Whether something of it is not shown to anybody, beside what the grant hides by name.
    pub fn is_withheld(&self) -> bool {
        matches!(&self.body, Some(body) if matches!(body.content, Content::Withheld))
    }

    /// Whether two programs could read it differently.
    pub fn is_doubtful(&self) -> bool {
        self.query_doubt.is_some() || self.body.as_ref().is_some_and(|body| body.doubt.is_some())
    }

    /// Bytes that this rendering does not show.
    pub fn hidden_bytes(&self) -> usize {
        let head: usize = self.head_texts().map(|text| text.hidden_bytes).sum();
        head + self.body.as_ref().map_or(0, Body::hidden_bytes)
    }

    /// Every text that the agent wrote.
    pub fn texts(&self) -> impl Iterator<Item = &Inert> {
        self.head_texts().chain(self.body.iter().flat_map(Body::texts))
    }

    fn head_texts(&self) -> impl Iterator<Item = &Inert> {
        let query = self.query.iter().flat_map(|field| [&field.name, &field.value]);
        let headers = self.headers.iter().filter_map(|header| header.value.as_ref());
        std::iter::once(&self.path)
            .chain(query)
            .chain(&self.query_raw)
            .chain(headers)
    }
}
