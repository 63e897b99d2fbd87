//! A plain S3 client that can also do everything wrong.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::auth::parse_query;
use crate::auth::signing::{ChunkSigner, client::sign, signing_key};

/// Whose requests these are.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    id: String,
    secret: String,
    pub(super) region: String,
    pub(super) service: String,
    /// Seconds added to the clock.
    pub(super) clock_off_s: i64,
}

/// A request in the making.
#[derive(Clone)]
pub(super) struct Call {
    client: Client,
    method: Method,
    /// Encoded path and query.
    pub(super) target: String,
    headers: HeaderMap,
    body: Vec<u8>,
    payload: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The S3 code of an error.
    pub(super) fn code(&self) -> String {
        self.element("Code")
    }

    /// The text of the first element of a name.
    pub(super) fn element(&self, name: &str) -> String {
        self.elements(name).into_iter().next().unwrap_or_default()
    }

    pub(super) fn elements(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        text.split(&open)
            .skip(1)
            .filter_map(|rest| rest.split_once(&close).map(|(inner, _)| inner.to_owned()))
            .collect()
    }

    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    #[track_caller]
    pub(super) fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.text());
        self
    }
}

impl Client {
    pub(super) fn new(address: SocketAddr, id: &str, secret: &str) -> Self {
        Self {
            address,
            id: id.into(),
            secret: secret.into(),
            region: "us-east-1".into(),
            service: "s3".into(),
            clock_off_s: 0,
        }
    }

    pub(super) fn call(&self, method: Method, target: &str) -> Call {
        Call {
            client: self.clone(),
            method,
            target: target.into(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            payload: None,
        }
    }

    pub(super) fn get(&self, target: &str) -> Call {
        self.call(Method::GET, target)
    }

    pub(super) fn put(&self, target: &str, body: &[u8]) -> Call {
        self.call(Method::PUT, target).body(body)
    }

    pub(super) fn post(&self, target: &str, body: &str) -> Call {
        self.call(Method::POST, target).body(body.as_bytes())
    }

    pub(super) fn delete(&self, target: &str) -> Call {
        self.call(Method::DELETE, target)
    }

    fn amz_date(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 + self.clock_off_s;
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        OffsetDateTime::from_unix_timestamp(now).unwrap().format(format).unwrap()
    }

    fn scope(&self, amz_date: &str) -> String {
        format!("{}/{}/{}/aws4_request", &amz_date[..8], self.region, self.service)
    }

    /// As `signing_key`, for whatever service.
    fn key(&self, amz_date: &str) -> [u8; 32] {
        signing_key(&self.secret, &amz_date[..8], &self.region)
    }
}

impl Call {
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub(super) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Signs another statement about the body than its hash.
    pub(super) fn payload(mut self, payload: &str) -> Self {
        self.payload = Some(payload.into());
        self
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    fn query(&self) -> Vec<(String, String)> {
        parse_query(self.target.split_once('?').map_or("", |(_, q)| q)).unwrap()
    }

    /// Names the host, unless that was done.
    fn hosted(self) -> Self {
        if self.headers.contains_key("host") {
            return self;
        }
        let host = self.client.address.to_string();
        self.header("host", &host)
    }

    /// Signs in the header.
    pub(super) fn signed(mut self) -> Self {
        let date = self.client.amz_date();
        let payload = self.payload.clone().unwrap_or_else(|| hex::encode(Sha256::digest(&self.body)));
        self = self.header("x-amz-date", &date).header("x-amz-content-sha256", &payload);
        self = self.hosted();
        let mut names: Vec<String> = self.headers.keys().map(|n| n.as_str().to_owned()).collect();
        names.sort();
        let signature = self.signature(&names, &payload, &date, &self.query());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
            self.client.id,
            self.client.scope(&date),
            names.join(";")
        );
        self.header("authorization", &authorization)
    }

    fn signature(&self, names: &[String], payload: &str, date: &str, query: &[(String, String)]) -> String {
        let canonical =
            crate::auth::canonical_request(&self.method, self.path(), query, &self.headers, names, payload)
                .unwrap();
        sign(&canonical, date, &self.client.scope(date), &self.client.key(date))
    }

    /// Signs in the query.
    pub(super) fn presigned(mut self, expires_s: u64) -> Self {
        let date = self.client.amz_date();
        self = self.hosted();
        let credential = format!("{}/{}", self.client.id, self.client.scope(&date)).replace('/', "%2F");
        let separator = if self.target.contains('?') { '&' } else { '?' };
        self.target.push_str(&format!(
            "{separator}X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={date}\
             &X-Amz-Expires={expires_s}&X-Amz-SignedHeaders=host"
        ));
        let signature = self.signature(&["host".into()], "UNSIGNED-PAYLOAD", &date, &self.query());
        self.target.push_str(&format!("&X-Amz-Signature={signature}"));
        self
    }

    /// Signs as a stream of signed chunks, with a trailer or without; `tamper` may spoil what goes over the wire.
    pub(super) fn chunked(
        mut self,
        chunk: usize,
        trailer: Option<(&'static str, &str)>,
        tamper: impl FnOnce(&mut Vec<u8>),
    ) -> Self {
        let data = std::mem::take(&mut self.body);
        let payload = match trailer {
            Some(_) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            None => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        };
        self = self.header("x-amz-decoded-content-length", &data.len().to_string());
        self = self.header("content-encoding", "aws-chunked");
        if let Some((name, _)) = trailer {
            self = self.header("x-amz-trailer", name);
        }
        self = self.payload(payload).signed();
        let date = self.headers["x-amz-date"].to_str().unwrap().to_owned();
        let seed = self.headers["authorization"].to_str().unwrap().rsplit('=').next().unwrap().to_owned();
        let mut signer =
            ChunkSigner::for_test(self.client.key(&date), &date, &self.client.scope(&date), &seed);
        let mut wire = Vec::new();
        for piece in data.chunks(chunk).chain([&[][..]]) {
            let signature = signer.sign_chunk(piece);
            wire.extend_from_slice(format!("{:x};chunk-signature={signature}\r\n", piece.len()).as_bytes());
            wire.extend_from_slice(piece);
            if !piece.is_empty() {
                wire.extend_from_slice(b"\r\n");
            }
        }
        if let Some((name, value)) = trailer {
            let signature = signer.sign_trailer(format!("{name}:{value}\n").as_bytes());
            wire.extend_from_slice(
                format!("{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n").as_bytes(),
            );
        }
        wire.extend_from_slice(b"\r\n");
        tamper(&mut wire);
        self.body = wire;
        self
    }

    /// The bytes that go over the wire.
    pub(super) fn wire(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        let mut headers = self.headers.clone();
        if !headers.contains_key("content-length") {
            headers.insert("content-length", HeaderValue::from(self.body.len()));
        }
        headers.entry("host").or_insert(HeaderValue::from_static("localhost"));
        headers.insert("connection", HeaderValue::from_static("close"));
        for (name, value) in &headers {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }

    /// Signs and sends.
    pub(super) async fn send(self) -> Answer {
        self.signed().send_as_is().await
    }

    /// Sends without signing (again).
    pub(super) async fn send_as_is(self) -> Answer {
        exchange(self.client.address, &self.wire(), self.method == Method::HEAD).await
    }
}

/// Sends bytes and reads an answer until the end of the connection.
pub(super) async fn exchange(address: SocketAddr, wire: &[u8], head: bool) -> Answer {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // The door may answer, and close, before it took everything.
    let _ = socket.write_all(wire).await;
    let mut all = Vec::new();
    let _ = socket.read_to_end(&mut all).await;
    parse(&all, head)
}

fn parse(all: &[u8], head: bool) -> Answer {
    let mut text = all;
    while text.starts_with(b"HTTP/1.1 100") {
        text = &text[text.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4..];
    }
    let end = text
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {} bytes", all.len()));
    let lines = std::str::from_utf8(&text[..end]).unwrap();
    let mut lines = lines.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        headers
            .append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let body = text[end + 4..].to_vec();
    if !head && let Some(length) = headers.get("content-length") {
        assert_eq!(length.to_str().unwrap().parse::<usize>().unwrap(), body.len(), "the answer broke off");
    }
    Answer { status, headers, body }
}
