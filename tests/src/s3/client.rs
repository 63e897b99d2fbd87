//! Requests to one or several gateways, each with a deadline; no hidden retries.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sha2::{Digest, Sha256};

use super::doors::Doors;
use super::sign::{self, Credentials, Signed};

/// Bodies larger than this are not hashed for the signature.
const MOST_SIGNED: usize = 1 << 20;

/// What went wrong with a request.
#[derive(Clone, Debug)]
pub enum Error {
    /// The server answered with an error.
    Answered {
        /// HTTP status.
        status: u16,
        /// S3 error code, if the body had one.
        code: String,
        /// The body.
        body: String,
    },
    /// No answer: connection refused or lost, or the deadline passed. Whether it was done is unknown.
    Lost(String),
}

impl Error {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Answered { status, .. } => *status >= 500 || *status == 429,
            Self::Lost(_) => true,
        }
    }

    /// Whether the server said that the thing is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Answered { status: 404, .. })
    }

    /// The S3 error code; empty when there is none.
    pub fn code(&self) -> &str {
        match self {
            Self::Answered { code, .. } => code,
            Self::Lost(_) => "",
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answered { status, code, body } => {
                write!(f, "status {status} {code}: {}", body.chars().take(300).collect::<String>())
            }
            Self::Lost(why) => write!(f, "no answer: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// A successful answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: http::HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A page of a listing.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Keys.
    pub keys: Vec<String>,
    /// Common prefixes.
    pub prefixes: Vec<String>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// A part of a multipart upload that was taken.
#[derive(Clone, Debug)]
pub struct Part {
    /// Part number.
    pub number: u32,
    /// Its ETag.
    pub etag: String,
}

/// Talks to gateways in turn.
#[derive(Clone, Debug)]
pub struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    doors: Arc<Doors>,
    credentials: Credentials,
    deadline: Duration,
}

struct Call<'a> {
    method: Method,
    bucket: &'a str,
    key: &'a str,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl<'a> Call<'a> {
    fn new(method: Method, bucket: &'a str, key: &'a str) -> Self {
        Self { method, bucket, key, query: Vec::new(), headers: Vec::new(), body: Bytes::new() }
    }

    fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((encode(name, true), encode(value, true)));
        self
    }

    fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }
}

impl Client {
    /// `endpoints` are `host:port`. Requests go to them in turn; each has this long.
    pub fn new(endpoints: Vec<String>, credentials: Credentials, deadline: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(1)));
        let http =
            Http::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(20)).build(connector);
        Self { http, doors: Arc::new(Doors::new(endpoints, false)), credentials, deadline }
    }

    /// The same, with another deadline per request.
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The same, by a way of its own that leaves gateways alone for a while that did not answer.
    pub fn balanced(&self) -> Self {
        Self { doors: Arc::new(self.doors.balanced()), ..self.clone() }
    }

    /// A plain GET without signature, such as of a health page.
    pub async fn plain(&self, url: &str) -> Result<Answer, Error> {
        let request =
            Request::get(url).body(Full::default()).map_err(|error| Error::Lost(error.to_string()))?;
        self.send(request).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Error> {
        let exchange = async {
            let response = self.http.request(request).await.map_err(|error| Error::Lost(chain(&error)))?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| Error::Lost(chain(&error)))?.to_bytes();
            if head.status.is_success() {
                return Ok(Answer { status: head.status, headers: head.headers, body });
            }
            let body = String::from_utf8_lossy(&body).into_owned();
            let code = element(&body, "Code").unwrap_or_default().to_owned();
            Err(Error::Answered { status: head.status.as_u16(), code, body })
        };
        match tokio::time::timeout(self.deadline, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Lost(format!("nothing within {:.1?}", self.deadline))),
        }
    }

    async fn call(&self, call: Call<'_>) -> Result<Answer, Error> {
        let door = self.doors.next();
        let outcome = self.call_at(self.doors.address(door), call).await;
        self.doors.note(door, !matches!(outcome, Err(Error::Lost(_))));
        outcome
    }

    async fn call_at(&self, host: &str, call: Call<'_>) -> Result<Answer, Error> {
        let path = match call.key {
            "" => format!("/{}", encode(call.bucket, true)),
            key => format!("/{}/{}", encode(call.bucket, true), encode(key, false)),
        };
        let payload = if call.body.len() <= MOST_SIGNED {
            hex::encode(Sha256::digest(&call.body))
        } else {
            "UNSIGNED-PAYLOAD".to_owned()
        };
        let signed = Signed {
            method: call.method.as_str(),
            path: &path,
            query: &call.query,
            host,
            headers: &call.headers,
            payload: &payload,
        };
        let proof =
            sign::headers(&signed, &self.credentials).map_err(|error| Error::Lost(error.to_string()))?;
        let query =
            call.query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let uri = format!("http://{host}{path}{}{query}", if query.is_empty() { "" } else { "?" });
        let mut request = Request::builder().method(call.method).uri(uri).header("host", host);
        for (name, value) in call.headers.iter().chain(&proof) {
            request = request.header(name.as_str(), value.as_str());
        }
        let request = request.body(Full::new(call.body)).map_err(|error| Error::Lost(error.to_string()))?;
        self.send(request).await
    }

    /// Makes a bucket; one that we own already is fine.
    pub async fn create_bucket(&self, bucket: &str) -> Result<(), Error> {
        match self.call(Call::new(Method::PUT, bucket, "")).await {
            Err(error) if error.code() == "BucketAlreadyOwnedByYou" => Ok(()),
            other => other.map(drop),
        }
    }

    /// Deletes an empty bucket.
    pub async fn delete_bucket(&self, bucket: &str) -> Result<(), Error> {
        self.call(Call::new(Method::DELETE, bucket, "")).await.map(drop)
    }

    /// Puts an object; returns its ETag.
    pub async fn put(&self, bucket: &str, key: &str, body: Bytes) -> Result<String, Error> {
        let answer = self.call(Call::new(Method::PUT, bucket, key).body(body)).await?;
        Ok(answer.header("etag").to_owned())
    }

    /// Puts an object with headers.
    pub async fn put_with(
        &self,
        bucket: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<(), Error> {
        let call = Call::new(Method::PUT, bucket, key).body(body);
        let call = headers.iter().fold(call, |call, (name, value)| call.header(name, *value));
        self.call(call).await.map(drop)
    }

    /// Puts an object only if there is none.
    pub async fn put_new(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), Error> {
        self.call(Call::new(Method::PUT, bucket, key).header("if-none-match", "*").body(body)).await.map(drop)
    }

    /// Gets an object.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, Error> {
        Ok(self.call(Call::new(Method::GET, bucket, key)).await?.body)
    }

    /// Gets `length` bytes of an object.
    pub async fn get_range(&self, bucket: &str, key: &str, offset: u64, length: u64) -> Result<Bytes, Error> {
        let range = format!("bytes={offset}-{}", offset + length - 1);
        Ok(self.call(Call::new(Method::GET, bucket, key).header("range", range)).await?.body)
    }

    /// Asks for an object's headers.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<Answer, Error> {
        self.call(Call::new(Method::HEAD, bucket, key)).await
    }

    /// Deletes an object; one that is not there is fine.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), Error> {
        self.call(Call::new(Method::DELETE, bucket, key)).await.map(drop)
    }

    /// A page of at most 1,000 keys.
    pub async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: &str,
        from: Option<&str>,
    ) -> Result<Listing, Error> {
        let mut call = Call::new(Method::GET, bucket, "").query("list-type", "2").query("prefix", prefix);
        if !delimiter.is_empty() {
            call = call.query("delimiter", delimiter);
        }
        if let Some(token) = from {
            call = call.query("continuation-token", token);
        }
        let answer = self.call(call).await?;
        let text = String::from_utf8_lossy(&answer.body);
        let keys = elements(&text, "Contents").filter_map(|c| element(c, "Key")).map(unescape).collect();
        let prefixes =
            elements(&text, "CommonPrefixes").filter_map(|c| element(c, "Prefix")).map(unescape).collect();
        Ok(Listing { keys, prefixes, next: element(&text, "NextContinuationToken").map(unescape) })
    }

    /// All keys below a prefix.
    pub async fn list_all(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, Error> {
        let mut all = Vec::new();
        let mut from = None;
        loop {
            let page = self.list(bucket, prefix, "", from.as_deref()).await?;
            all.extend(page.keys);
            from = page.next;
            if from.is_none() {
                return Ok(all);
            }
        }
    }

    /// Begins a multipart upload; returns its id.
    pub async fn create_upload(&self, bucket: &str, key: &str) -> Result<String, Error> {
        let answer = self.call(Call::new(Method::POST, bucket, key).query("uploads", "")).await?;
        let text = String::from_utf8_lossy(&answer.body);
        element(&text, "UploadId")
            .map(unescape)
            .ok_or_else(|| Error::Lost("no UploadId in the answer".to_owned()))
    }

    /// Puts one part.
    pub async fn put_part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: u32,
        body: Bytes,
    ) -> Result<Part, Error> {
        let call = Call::new(Method::PUT, bucket, key)
            .query("partNumber", &number.to_string())
            .query("uploadId", upload)
            .body(body);
        let answer = self.call(call).await?;
        Ok(Part { number, etag: answer.header("etag").to_owned() })
    }

    /// Makes a whole object (`/bucket/key`) a part.
    pub async fn copy_part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: u32,
        source: &str,
    ) -> Result<Part, Error> {
        let call = Call::new(Method::PUT, bucket, key)
            .query("partNumber", &number.to_string())
            .query("uploadId", upload)
            .header("x-amz-copy-source", source);
        let answer = self.call(call).await?;
        let text = String::from_utf8_lossy(&answer.body);
        let etag = element(&text, "ETag").map(unescape).unwrap_or_default();
        Ok(Part { number, etag })
    }

    /// Joins the parts.
    pub async fn complete_upload(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        parts: &[Part],
    ) -> Result<(), Error> {
        let parts: String = parts
            .iter()
            .map(|p| format!("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", p.number, p.etag))
            .collect();
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let call = Call::new(Method::POST, bucket, key).query("uploadId", upload).body(body.into());
        let answer = self.call(call).await?;
        // S3 may answer 200 and report the error in the body.
        let text = String::from_utf8_lossy(&answer.body);
        match element(&text, "Code") {
            Some(code) => {
                Err(Error::Answered { status: 500, code: code.to_owned(), body: text.into_owned() })
            }
            None => Ok(()),
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Percent-encoding as SigV4 wants it.
fn encode(text: &str, slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b'/' if !slash => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The text of the first element of this name. Enough for the flat answers of S3.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    elements(xml, name).next()
}

fn elements<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let start = rest.find(&open)? + open.len();
        let end = start + rest[start..].find(&close)?;
        let found = &rest[start..end];
        rest = &rest[end + close.len()..];
        Some(found)
    })
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_as_signed() {
        assert_eq!(encode("a b/ü~", false), "a%20b/%C3%BC~");
        assert_eq!(encode("a/b", true), "a%2Fb");
    }

    #[test]
    fn elements_of_a_listing() {
        let xml = "<R><Contents><Key>a&amp;b&apos;</Key></Contents><Contents><Key>c</Key></Contents></R>";
        let keys: Vec<_> =
            elements(xml, "Contents").filter_map(|c| element(c, "Key")).map(unescape).collect();
        assert_eq!(keys, ["a&b'", "c"]);
        assert_eq!(element(xml, "Code"), None);
    }
}
