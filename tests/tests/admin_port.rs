//! The admin port under people who hold on: slow headers, more connections than it bears, streams of live updates whose
//! login, token or account is gone.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use holdfast_tests::admin::Api;
use holdfast_tests::cluster::{Builder, Cluster};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

const PASSWORD: &str = "correct horse battery";
/// For something that happens at once.
const SOON: Duration = Duration::from_secs(5);
/// Until headers have to be there, and some more.
const HEADERS: Duration = Duration::from_secs(30);
/// Connections that the port bears of one address.
const OF_ONE: usize = 256;

async fn start(name: &str) -> Result<(Cluster, Api, SocketAddr)> {
    let mut cluster = Builder::new(name).nodes(1).start().await?;
    let address = cluster.node(1).spec().admin;
    let root = Api::new(address).administrator(&cluster.administrator()?).await?;
    Ok((cluster, root, address))
}

/// A stream of live updates.
struct Stream(TcpStream);

impl Stream {
    async fn open(address: SocketAddr, credential: &str, topics: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!(
            "GET /api/v1/events?topics={topics} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{credential}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut this = Self(stream);
        this.until("event:").await.context("the first event")?;
        Ok(this)
    }

    /// Reads until this comes.
    async fn until(&mut self, wanted: &str) -> Result<()> {
        let mut text = String::new();
        let mut piece = vec![0; 64 << 10];
        let read = async {
            while !text.contains(wanted) {
                let count = self.0.read(&mut piece).await?;
                ensure!(count > 0, "the stream ended");
                text.push_str(&String::from_utf8_lossy(&piece[..count]));
            }
            Ok(())
        };
        let told = timeout(SOON, read).await;
        told.with_context(|| format!("no {wanted} within {SOON:?}: {text:?}"))?.with_context(|| text.clone())
    }

    /// How long it still goes on; fails if for longer than `most`.
    async fn ends(mut self, most: Duration) -> Result<Duration> {
        let began = Instant::now();
        let mut rest = Vec::new();
        match timeout(most, self.0.read_to_end(&mut rest)).await {
            Ok(_) => Ok(began.elapsed()),
            Err(_) => bail!("the stream goes on after {most:?}"),
        }
    }
}

#[tokio::test]
async fn live_updates_end_with_whatever_let_them_in() -> Result<()> {
    let (cluster, root, address) = start("port_streams").await?;
    let new = json!({ "name": "vera", "role": "viewer", "password": PASSWORD, "keep_password": true });
    root.post("/accounts", &new).await?;
    let nobody = root.without("cookie").without("x-holdfast-csrf");
    let most = Duration::from_secs(3);

    let vera = nobody.login("vera", PASSWORD).await?;
    let answer = nobody
        .change(Method::POST, "/auth/login", &json!({ "account": "vera", "password": PASSWORD }))
        .await?;
    let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let me = answer.ok()?;
    let session =
        nobody.with("cookie", &cookie).with("x-holdfast-csrf", me["csrf"].as_str().unwrap_or_default());
    let login = Stream::open(address, &format!("cookie: {cookie}"), "overview").await?;
    ensure!(session.change(Method::POST, "/auth/logout", &json!({})).await?.status == StatusCode::NO_CONTENT);
    let took = login.ends(most).await.context("of a login that ended")?;
    eprintln!("a login's stream ended after {took:?}");

    let made = vera.post("/tokens", &json!({ "description": "", "role": "viewer" })).await?;
    let header = format!("authorization: Bearer {}", made["token"].as_str().context("no token")?);
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(Stream::open(address, &header, "overview,audit,topology").await?);
    }
    let path = format!("/tokens/{}", made["id"].as_str().context("no id")?);
    ensure!(vera.change(Method::DELETE, &path, &json!({})).await?.status == StatusCode::NO_CONTENT);
    for stream in streams {
        stream.ends(most).await.context("of a token that was taken back")?;
    }

    let made = vera.post("/tokens", &json!({ "description": "", "role": "viewer" })).await?;
    let header = format!("authorization: Bearer {}", made["token"].as_str().context("no token")?);
    let stream = Stream::open(address, &header, "overview").await?;
    ensure!(
        root.change(Method::DELETE, "/accounts/vera", &json!({})).await?.status == StatusCode::NO_CONTENT
    );
    stream.ends(most).await.context("of an account that was deleted")?;
    cluster.finish().await
}

/// Connects from an address of this machine's own.
async fn from(address: Ipv4Addr, to: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((address, 0).into())?;
    Ok(timeout(SOON, socket.connect(to)).await.context("connect")??)
}

/// Whether it is turned away.
async fn is_refused(stream: &mut TcpStream) -> bool {
    let mut text = Vec::new();
    let read = timeout(Duration::from_millis(300), stream.read_to_end(&mut text)).await;
    read.is_ok() && (text.is_empty() || text.starts_with(b"HTTP/1.1 503"))
}

#[tokio::test]
async fn those_who_hold_on_keep_nobody_out() -> Result<()> {
    let (cluster, root, address) = start("port_crowd").await?;
    let made = root.post("/tokens", &json!({ "description": "", "role": "viewer" })).await?;
    let header = format!("authorization: Bearer {}", made["token"].as_str().context("no token")?);
    let mut inside = Stream::open(address, &header, "audit").await?;

    // Headers that never end, a drop at a time.
    let mut drops = TcpStream::connect(address).await?;
    drops.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await?;
    let dropping = tokio::spawn(async move {
        let began = Instant::now();
        while began.elapsed() < HEADERS && drops.write_all(b"x: y\r\n").await.is_ok() {
            sleep(Duration::from_millis(500)).await;
        }
        began.elapsed()
    });

    // A crowd of one address that says nothing.
    let crowd = Ipv4Addr::new(127, 0, 0, 9);
    let mut held = Vec::new();
    for _ in 0..OF_ONE {
        held.push(from(crowd, address).await?);
    }
    let mut one_more = from(crowd, address).await?;
    let began = Instant::now();
    ensure!(is_refused(&mut one_more).await, "one more of the crowd is let in");
    ensure!(began.elapsed() < Duration::from_secs(1));
    // Others come in, and who is inside goes on.
    root.change(Method::PUT, "/settings/grace_seconds", &json!({ "value": "301" })).await?.ok()?;
    inside.until("setting.change").await.context("live updates in a crowd")?;

    // A second crowd fills the port up: then whoever comes is refused, and those inside still go on.
    for _ in 0..OF_ONE {
        held.push(from(Ipv4Addr::new(127, 0, 0, 10), address).await?);
    }
    let mut third = from(Ipv4Addr::new(127, 0, 0, 11), address).await?;
    ensure!(is_refused(&mut third).await, "the port bears more than it should");
    root.change(Method::PUT, "/settings/grace_seconds", &json!({ "value": "302" })).await?.ok()?;
    inside.until("setting.change").await.context("live updates at a full port")?;

    // Nobody in the crowd said anything: they are let go, and there is room again.
    let took = dropping.await?;
    ensure!(took < HEADERS, "headers by the drop go on after {took:?}");
    eprintln!("slow headers were let go after {took:?}");
    let mut text = Vec::new();
    let end = timeout(HEADERS, held.swap_remove(0).read_to_end(&mut text)).await;
    ensure!(end.is_ok(), "a connection that says nothing goes on");
    sleep(Duration::from_secs(2)).await;
    let mut again = from(crowd, address).await?;
    ensure!(!is_refused(&mut again).await, "no room after the crowd went");
    root.change(Method::PUT, "/settings/grace_seconds", &json!({ "value": "303" })).await?.ok()?;
    inside.until("setting.change").await.context("live updates after all that")?;
    cluster.finish().await
}
