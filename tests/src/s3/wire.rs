//! Requests as bytes, for saying what no client would say: with a clock that is off, with a body that ends early,
//! with a chunk that was changed on its way.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::sign::{self, Credentials, Signed};

/// A request before it is signed.
#[derive(Clone, Debug)]
pub struct Draft {
    credentials: Credentials,
    host: String,
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    at: OffsetDateTime,
}

/// A request as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Everything up to the empty line.
    pub head: String,
    /// Everything behind it.
    pub body: Vec<u8>,
}

impl Wire {
    /// All of it.
    pub fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), &self.body].concat()
    }
}

impl Draft {
    /// A request for an encoded path.
    pub fn new(credentials: &Credentials, host: &str, method: &'static str, path: &str) -> Self {
        Self {
            credentials: credentials.clone(),
            host: host.to_owned(),
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            at: OffsetDateTime::now_utc(),
        }
    }

    /// One more header, name in lower case.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A body.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Made by somebody whose clock is this many seconds ahead.
    pub fn ahead(mut self, seconds: i64) -> Self {
        self.at += Duration::seconds(seconds);
        self
    }

    /// Signed in its headers.
    pub fn signed(&self) -> Result<Wire> {
        let proof = self.proof(&hex::encode(Sha256::digest(&self.body)))?;
        Ok(self.wire(&self.path, &proof, self.body.clone()))
    }

    /// With a body in chunks of this length, each signed.
    pub fn chunked(mut self, length: usize) -> Result<Wire> {
        let data = std::mem::take(&mut self.body);
        self = self.header("content-encoding", "aws-chunked");
        self = self.header("x-amz-decoded-content-length", &data.len().to_string());
        let proof = self.proof("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")?;
        let last =
            proof.last().and_then(|(_, value)| value.rsplit_once("Signature=")).context("no signature")?;
        let mut previous = last.1.to_owned();
        let at = sign::stamp(self.at)?;
        let scope = sign::scope(&self.credentials, &at);
        let nothing = hex::encode(Sha256::digest(b""));
        let mut body = Vec::new();
        for piece in data.chunks(length).chain([&[][..]]) {
            let digest = hex::encode(Sha256::digest(piece));
            let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{at}\n{scope}\n{previous}\n{nothing}\n{digest}");
            previous = sign::seal(&text, &self.credentials, &at)?;
            body.extend(format!("{:x};chunk-signature={previous}\r\n", piece.len()).bytes());
            body.extend(piece);
            body.extend(b"\r\n");
        }
        Ok(self.wire(&self.path, &proof, body))
    }

    /// Signed in its URL, for this many seconds.
    pub fn presigned(&self, seconds: u32) -> Result<Wire> {
        let at = sign::stamp(self.at)?;
        let scope = sign::scope(&self.credentials, &at);
        let credential = format!("{}/{scope}", self.credentials.access_key).replace('/', "%2F");
        let query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={at}\
             &X-Amz-Expires={seconds}&X-Amz-SignedHeaders=host"
        );
        let canonical =
            format!("{}\n{}\n{query}\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD", self.method, self.path, self.host);
        let digest = hex::encode(Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}");
        let signature = sign::seal(&text, &self.credentials, &at)?;
        let target = format!("{}?{query}&X-Amz-Signature={signature}", self.path);
        Ok(self.wire(&target, &[], self.body.clone()))
    }

    fn proof(&self, payload: &str) -> Result<Vec<(String, String)>> {
        let request = Signed {
            method: self.method,
            path: &self.path,
            query: &[],
            host: &self.host,
            headers: &self.headers,
            payload,
        };
        sign::sign(&request, &self.credentials, &sign::stamp(self.at)?)
    }

    fn wire(&self, target: &str, proof: &[(String, String)], body: Vec<u8>) -> Wire {
        let mut head = format!("{} {target} HTTP/1.1\r\nhost: {}\r\n", self.method, self.host);
        for (name, value) in self.headers.iter().chain(proof) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()));
        Wire { head, body }
    }
}
