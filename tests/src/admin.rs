//! A client of the admin API: what a browser or a program sends, and what comes back, whatever it is.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::node::Administrator;

/// For one exchange.
const DEADLINE: Duration = Duration::from_secs(30);

/// Somebody at an admin port, logged in or not.
#[derive(Clone, Debug)]
pub struct Api {
    http: Http<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The stable name of a failure.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The body of a success.
    pub fn ok(self) -> Result<Value> {
        ensure!(
            self.status.is_success(),
            "{}: {}",
            self.status,
            String::from_utf8_lossy(&self.body).chars().take(1000).collect::<String>()
        );
        Ok(self.json())
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Api {
    /// Nobody in particular.
    pub fn new(address: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(2)));
        let http = Http::builder(TokioExecutor::new()).build(connector);
        Self { http, address, headers: Vec::new() }
    }

    /// The same person at another node.
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// The same, sending this header with everything.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut headers = self.headers.clone();
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        headers.push((name.to_owned(), value.to_owned()));
        Self { headers, ..self.clone() }
    }

    /// The same, not sending this header.
    pub fn without(&self, name: &str) -> Self {
        let mut headers = self.headers.clone();
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        Self { headers, ..self.clone() }
    }

    /// Logs in as a browser does.
    pub async fn login(&self, account: &str, password: &str) -> Result<Self> {
        let ask = json!({ "account": account, "password": password });
        let answer = self.send(Method::POST, "/api/v1/auth/login", Some(&ask)).await?;
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        let me = answer.ok().context("log in")?;
        let csrf = me["csrf"].as_str().context("no csrf in the answer")?;
        Ok(self.with("cookie", &cookie).with("x-holdfast-csrf", csrf))
    }

    /// As the administrator whom the cluster began with.
    pub async fn administrator(&self, who: &Administrator) -> Result<Self> {
        self.login(&who.account, &who.password).await
    }

    /// As a program with a token.
    pub fn token(&self, token: &str) -> Self {
        self.without("cookie").without("x-holdfast-csrf").with("authorization", &format!("Bearer {token}"))
    }

    /// Sends a request, with a body of JSON if there is one.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let kind = body.map(|_| "application/json");
        let body = body.map_or(Bytes::new(), |body| Bytes::from(body.to_string()));
        self.raw(method, path, kind, body).await
    }

    /// Sends any body.
    pub async fn raw(&self, method: Method, path: &str, kind: Option<&str>, body: Bytes) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let request = request.body(Full::new(body)).context("make a request")?;
        let exchange = async {
            let response = self.http.request(request).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, anyhow::Error>(Answer { status: head.status, headers: head.headers, body })
        };
        match tokio::time::timeout(DEADLINE, exchange).await {
            Ok(answer) => answer.with_context(|| format!("{path} at {}", self.address)),
            Err(_) => bail!("{path} at {}: nothing within {DEADLINE:?}", self.address),
        }
    }

    /// GET below `/api/v1`; a success.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, &format!("/api/v1{path}"), None)
            .await?
            .ok()
            .with_context(|| format!("GET {path}"))
    }

    /// POST below `/api/v1`; a success.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.send(Method::POST, &format!("/api/v1{path}"), Some(body)).await?;
        answer.ok().with_context(|| format!("POST {path}"))
    }

    /// Any change below `/api/v1`, whatever comes of it.
    pub async fn change(&self, method: Method, path: &str, body: &Value) -> Result<Answer> {
        self.send(method, &format!("/api/v1{path}"), Some(body)).await
    }
}
