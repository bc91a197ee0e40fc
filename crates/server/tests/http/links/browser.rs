//! What somebody, or something, does with a personal link over HTTP: opens it, keeps its cookie or not, sends its form.

use regex::Regex;
use reqwest::{Method, redirect::Policy};
use serde_json::Value;
use signoff_core::id::{ApprovalId, OperatorId};

use crate::world::{Reply, Who, World};

/// What the server takes as its own origin.
pub(crate) const ORIGIN: &str = "http://signoff.test";

/// One visitor with cookies of their own.
pub(crate) struct Browser<'a> {
    world: &'a World,
    http: reqwest::Client,
    pub(crate) cookie: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) key: Option<String>,
}

/// A form as a page has it: names and values of its fields, in order, and their kinds.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) kind: String,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .build()
            .unwrap();
        Self {
            world,
            http,
            cookie: None,
            session: None,
            headers: Vec::new(),
            key: None,
        }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method: Method = method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.world.url));
        request = request.header("accept", "text/html,*/*");
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let cookies: Vec<&str> = [&self.cookie, &self.session]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        if cookies.is_empty() {
            request
        } else {
            request.header("cookie", cookies.join("; "))
        }
    }

    /// Keeps the cookie that comes with a page, as browsers do.
    pub(crate) async fn open(&mut self, path: &str) -> Reply {
        let mut reply = self.send("GET", path).await;
        // Names stand isolated from the text around them; what is read is the same.
        reply.text = reply.text.replace("<bdi dir=\"ltr\">", "").replace("</bdi>", "");
        if let Some(cookie) = reply.headers.get("set-cookie") {
            self.cookie = cookie.to_str().unwrap().split(';').next().map(str::to_owned);
        }
        reply
    }

    pub(crate) async fn send(&self, method: &str, path: &str) -> Reply {
        Reply::of(self.request(method, path).send().await.unwrap()).await
    }

    /// Sends a form, from a page of `origin`.
    pub(crate) async fn post(&self, path: &str, fields: &[(String, String)], origin: Option<&str>) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let mut request = self.request("POST", path);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        Reply::of(request.body(body).send().await.unwrap()).await
    }

    /// Opens the link as a person and sends its form: what is hidden as it is, and these fields.
    pub(crate) async fn fill(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let page = self.open(path).await;
        let mut sent = hidden(&page.text);
        sent.extend(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        self.post(path, &sent, Some(ORIGIN)).await
    }
}

/// Every field of the first form that posts.
pub(crate) fn fields(html: &str) -> Vec<Field> {
    let form = Regex::new(r#"(?s)<form[^>]*method="post".*?</form>"#).unwrap();
    let Some(form) = form.find(html) else {
        return Vec::new();
    };
    let field = Regex::new(r"<(input|textarea|select)\b[^>]*>").unwrap();
    let attribute = |tag: &str, name: &str| {
        let found = Regex::new(&format!(r#"\b{name}="([^"]*)""#)).unwrap();
        found.captures(tag).map(|found| found[1].to_owned())
    };
    let fields = field.captures_iter(form.as_str());
    fields
        .filter_map(|found| {
            let tag = &found[0];
            let kind = if &found[1] == "input" {
                attribute(tag, "type").unwrap_or_else(|| "text".into())
            } else {
                "text".into()
            };
            Some(Field {
                name: attribute(tag, "name")?,
                value: attribute(tag, "value").unwrap_or_default(),
                kind,
            })
        })
        .collect()
}

/// What a form sends without anybody touching it.
pub(crate) fn hidden(html: &str) -> Vec<(String, String)> {
    let fields = fields(html).into_iter().filter(|field| field.kind == "hidden");
    fields.map(|field| (field.name, field.value)).collect()
}

/// Every address of the page that leads somewhere on this server.
pub(crate) fn links(html: &str) -> Vec<String> {
    let href = Regex::new(r##"\b(?:href|src|action)="([^"#]+)"##).unwrap();
    let found = href.captures_iter(html).map(|found| found[1].to_owned());
    found
        .filter(|href| href.starts_with('/') || href.starts_with('?'))
        .collect()
}

impl World {
    /// The path of a link for the operator at this place of the list: viewer, member, admin.
    pub(crate) async fn link(&self, approval: &str, operator: usize) -> String {
        let approval: ApprovalId = approval.parse().unwrap();
        let operator: OperatorId = self.operators[operator].parse().unwrap();
        let admin = self.engine.authenticate(self.key(Who::Admin).unwrap()).await;
        let workspace = admin.unwrap().workspace;
        let link = self
            .engine
            .personal_link(workspace, approval, operator, 1)
            .unwrap();
        link.strip_prefix(ORIGIN).unwrap().to_owned()
    }

    /// Asks for something, and answers the id of the approval.
    pub(crate) async fn asks(&self, body: Value) -> String {
        let asked = self.post(Who::Agent, "/v1/actions", body).await.ok();
        asked.text_of("approval_id")
    }

    /// A session of the operator at this place, as a cookie.
    pub(crate) async fn signed_in(&self, operator: usize) -> String {
        use secrecy::ExposeSecret as _;
        let entry = self.engine.mint_entry(self.operators[operator].parse().unwrap());
        let session = self.engine.enter(entry.expose_secret()).await.unwrap();
        format!("signoff-80={}", session.cookie.expose_secret())
    }
}
