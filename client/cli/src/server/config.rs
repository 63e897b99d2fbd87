//! The configuration of a node: one TOML file, every setting with a default; environment and flags win over it.
//!
//! What always holds: an unknown or impossible setting is an error that names the key and the line, or the variable
//! or flag it came from. `deploy/holdfast.toml` lists every setting; a test parses it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use holdfast_gateway::GatewayConfig;
use holdfast_support::config::{Period, Size};
use holdfast_support::telemetry::LogConfig;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::failure::{Failure, Outcome};

/// Variables that override settings begin with this: `HOLDFAST_SERVER_LISTEN`, `HOLDFAST_SERVER_GATEWAY__REGION`.
const VARIABLE: &str = "HOLDFAST_SERVER_";

/// Raft's own crate tells more than an operator wants to know.
const LOG_FILTER: &str = "info,openraft=warn,chunked_wal=warn";

/// A disk smaller than this has no room for data beside its reserves.
const LEAST_CAPACITY: u64 = 512 << 20;

/// A part that a node plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Votes and keeps metadata.
    Meta,
    /// Keeps chunks.
    Chunk,
    /// Serves S3.
    Gateway,
    /// Runs data jobs in the background.
    Worker,
}

/// Everything a node can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Directory for identity, metadata, and disks that are not named. One per node.
    pub(crate) data: PathBuf,
    /// Parts to play.
    pub(crate) roles: Vec<Role>,
    /// Directories for chunks, normally one per physical disk. Empty: `<data>/disk0`.
    pub(crate) disks: Vec<PathBuf>,
    /// Where other nodes and clients reach this node.
    pub(crate) listen: SocketAddr,
    /// The address others are told, if it differs from `listen`.
    pub(crate) advertise: String,
    /// The S3 address others are told, if it differs from `gateway.listen`.
    pub(crate) s3_advertise: String,
    /// Health, readiness and metrics over HTTP.
    pub(crate) admin_listen: SocketAddr,
    /// The admin API and the dashboard.
    pub(crate) admin: AdminSection,
    /// Nodes of the cluster to join. Empty on a fresh node: make a new cluster.
    pub(crate) join: Vec<String>,
    /// File with the join token. The variable `HOLDFAST_JOIN_TOKEN` wins.
    pub(crate) join_token_file: Option<PathBuf>,
    /// Failure-domain labels.
    pub(crate) zone: String,
    /// See `zone`.
    pub(crate) rack: String,
    /// See `zone`. Nodes with the same host share its fate; empty: the node stands for its own host.
    pub(crate) host: String,
    /// Time that requests under way get at shutdown.
    pub(crate) drain: Period,
    /// Payload bytes that this process holds at most, all roles together.
    pub(crate) payload_memory: Size,
    /// Logs.
    pub(crate) log: LogConfig,
    /// The meta role.
    pub(crate) meta: MetaSection,
    /// The chunk role.
    pub(crate) chunk: ChunkSection,
    /// The gateway role.
    pub(crate) gateway: GatewayConfig,
    /// The worker role.
    pub(crate) worker: WorkerSection,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("holdfast-data"),
            roles: vec![Role::Meta, Role::Chunk, Role::Gateway, Role::Worker],
            disks: Vec::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            advertise: String::new(),
            s3_advertise: String::new(),
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 7480)),
            admin: AdminSection::default(),
            join: Vec::new(),
            join_token_file: None,
            zone: String::new(),
            rack: String::new(),
            host: String::new(),
            drain: Period(std::time::Duration::from_secs(10)),
            payload_memory: Size(128 << 20),
            log: LogConfig { filter: LOG_FILTER.to_owned(), ..LogConfig::default() },
            meta: MetaSection::default(),
            chunk: ChunkSection::default(),
            gateway: GatewayConfig::default(),
            worker: WorkerSection::default(),
        }
    }
}

/// The admin API and the dashboard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AdminSection {
    /// Browsers send the login's cookie over HTTPS only: a proxy before the port speaks it.
    pub(crate) secure_cookies: bool,
}

impl AdminSection {
    /// As the API wants it.
    pub(crate) fn serving(&self) -> holdfast_admin::Config {
        holdfast_admin::Config { secure_cookies: self.secure_cookies, ..holdfast_admin::Config::default() }
    }
}

/// The worker role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WorkerSection {
    /// Bytes per second that background jobs of this node read and write again at most.
    pub(crate) rate: Size,
    /// Time between two looks for work.
    pub(crate) period: Period,
}

impl Default for WorkerSection {
    fn default() -> Self {
        Self { rate: Size(32 << 20), period: Period(std::time::Duration::from_secs(5)) }
    }
}

/// Timer profiles of the metadata group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TimerProfile {
    /// Members in one building.
    #[default]
    Lan,
    /// Members tens of milliseconds apart.
    Wan,
}

/// Settings of the meta role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MetaSection {
    /// How quickly a silent leader is replaced.
    pub(crate) timers: TimerProfile,
    /// Block cache of the metadata table.
    pub(crate) cache: Size,
    /// Write buffers of the metadata table, counted against the cache.
    pub(crate) write_buffers: Size,
    /// Log entries kept in memory.
    pub(crate) log_cache: Size,
    /// A snapshot is made after this many bytes of commands.
    pub(crate) snapshot_bytes: Size,
    /// … or after this many log entries.
    pub(crate) snapshot_entries: u64,
    /// Log entries kept although a snapshot has them, so that a node that was away needs no snapshot.
    pub(crate) log_entries_kept: u64,
}

impl Default for MetaSection {
    fn default() -> Self {
        Self {
            timers: TimerProfile::Lan,
            cache: Size(128 << 20),
            write_buffers: Size(64 << 20),
            log_cache: Size(64 << 20),
            snapshot_bytes: Size(256 << 20),
            snapshot_entries: 200_000,
            log_entries_kept: 300_000,
        }
    }
}

/// Settings of the chunk role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ChunkSection {
    /// Bytes that each disk may use; 0: what its file system has.
    pub(crate) capacity: Size,
    /// Block cache of all disks' indexes together.
    pub(crate) index_cache: Size,
    /// Bytes per second that scrub may read of a disk; 0: no scrub.
    pub(crate) scrub_rate: Size,
    /// Time from the end of a scrub of a disk to the beginning of the next.
    pub(crate) scrub_period: Period,
    /// Bytes per second that compaction may copy on a disk.
    pub(crate) compact_rate: Size,
}

impl Default for ChunkSection {
    fn default() -> Self {
        Self {
            capacity: Size(0),
            index_cache: Size(32 << 20),
            scrub_rate: Size(16 << 20),
            scrub_period: Period(std::time::Duration::from_secs(7 * 24 * 3600)),
            compact_rate: Size(32 << 20),
        }
    }
}

/// One setting from outside the file: where it came from, its dotted key, its value as text.
pub(crate) struct Override {
    pub(crate) origin: String,
    pub(crate) key: String,
    pub(crate) value: String,
}

impl Config {
    /// File, then environment, then flags.
    pub(crate) fn load(file: Option<&Path>, flags: Vec<Override>) -> Outcome<Self> {
        let base = match file {
            // Read as a whole first: its errors name line and key.
            Some(path) => holdfast_support::config::load::<Self>(path)
                .map_err(|error| Failure::usage(error.to_string()))?,
            None => Self::default(),
        };
        let mut overrides = from_environment();
        overrides.extend(flags);
        let config = base.overridden(overrides)?;
        config.check()?;
        Ok(config)
    }

    fn overridden(self, overrides: Vec<Override>) -> Outcome<Self> {
        let mut config = self;
        for Override { origin, key, value } in overrides {
            let table = Table::try_from(&config).map_err(|error| Failure::failed(error.to_string()))?;
            // A value that reads as TOML is taken as such, everything else as text. What fits is tried, so that
            // neither `--set log.filter=info` nor `--set gateway.region=1` needs quotes.
            let fits = candidates(&value).into_iter().map(|value| {
                let mut table = table.clone();
                set(&mut table, &key, value).map_err(|why| Failure::usage(format!("{origin}: {why}")))?;
                table.try_into::<Self>().map_err(|error| {
                    Failure::usage(format!("{origin}: {key} = {value}: {}", error.message(), value = "…"))
                })
            });
            config = first_success(fits)?;
        }
        Ok(config)
    }

    /// Refuses what cannot work, before anything is started.
    fn check(&self) -> Outcome<()> {
        if self.roles.is_empty() {
            return Err(Failure::usage("roles: name at least one of meta, chunk, gateway, worker"));
        }
        for address in self.join.iter().chain([&self.advertise, &self.s3_advertise]).filter(|a| !a.is_empty())
        {
            crate::connect::check_address(address)?;
        }
        let told = if self.advertise.is_empty() { self.listen.ip().is_unspecified() } else { false };
        if told {
            return Err(Failure::usage(format!(
                "listen is {}, which is no address that others could connect to: set advertise = \"host:port\" too",
                self.listen
            )));
        }
        if self.listen.port() == 0 {
            return Err(Failure::usage(
                "listen has port 0, which would be another one after every start: name one that others can connect to",
            ));
        }
        let capacity = self.chunk.capacity.0;
        if (1..LEAST_CAPACITY).contains(&capacity) {
            return Err(Failure::usage(format!(
                "chunk.capacity is {capacity} bytes, but a disk needs at least {} MiB; 0 means what its file system has",
                LEAST_CAPACITY >> 20
            )));
        }
        let mut disks = self.disk_paths();
        disks.sort();
        if let Some(pair) = disks.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Failure::usage(format!("disks: {} is named twice", pair[0].display())));
        }
        self.gateway.check().map_err(|why| Failure::usage(format!("gateway: {why}")))
    }

    /// Whether the node plays a part.
    pub(crate) fn plays(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Roles as the cluster map has them.
    pub(crate) fn role_bits(&self) -> u32 {
        use holdfast_proto::map::roles;
        let bit = |role| match role {
            Role::Meta => roles::META,
            Role::Chunk => roles::CHUNK,
            Role::Gateway => roles::GATEWAY,
            Role::Worker => roles::WORKER,
        };
        self.roles.iter().fold(0, |bits, role| bits | bit(*role))
    }

    /// Directories for chunks; none without the chunk role.
    pub(crate) fn disk_paths(&self) -> Vec<PathBuf> {
        match (self.plays(Role::Chunk), self.disks.is_empty()) {
            (false, _) => Vec::new(),
            (true, true) => vec![self.data.join("disk0")],
            (true, false) => self.disks.clone(),
        }
    }

    /// Where others reach this node.
    pub(crate) fn address(&self) -> String {
        if self.advertise.is_empty() { self.listen.to_string() } else { self.advertise.clone() }
    }

    /// Where others reach its S3 door; empty without one.
    pub(crate) fn s3_address(&self) -> String {
        match (self.plays(Role::Gateway), self.s3_advertise.is_empty()) {
            (false, _) => String::new(),
            (true, true) => self.gateway.listen.to_string(),
            (true, false) => self.s3_advertise.clone(),
        }
    }
}

fn first_success<T>(tries: impl Iterator<Item = Outcome<T>>) -> Outcome<T> {
    let mut last = Failure::usage("no value");
    for outcome in tries {
        match outcome {
            Ok(value) => return Ok(value),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

/// What a value may mean: TOML, a list separated by commas, text.
fn candidates(text: &str) -> Vec<Value> {
    let toml = toml::from_str::<Table>(&format!("v = {text}")).ok().and_then(|mut table| table.remove("v"));
    let list = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let list = Value::Array(list.map(|part| Value::String(part.to_owned())).collect());
    toml.into_iter().chain([list, Value::String(text.to_owned())]).collect()
}

fn set(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            Ok(())
        }
        Some((section, rest)) => match table.get_mut(section) {
            Some(Value::Table(inner)) => set(inner, rest, value),
            _ => Err(format!("there is no section '{section}'")),
        },
    }
}

fn from_environment() -> Vec<Override> {
    let mut found: Vec<Override> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter_map(|(name, value)| {
            let key = name.strip_prefix(VARIABLE)?.to_lowercase().replace("__", ".");
            Some(Override { origin: name.clone(), key, value })
        })
        .collect();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(key: &str, value: &str) -> Outcome<Config> {
        let flags = vec![Override { origin: "--set".into(), key: key.into(), value: value.into() }];
        Config::default().overridden(flags)
    }

    #[test]
    fn the_annotated_sample_is_valid_and_shows_the_defaults() {
        let source = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
        let path = Path::new(&source).join("../../deploy/holdfast.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let sample: Config = holdfast_support::config::parse(&text, "deploy/holdfast.toml").unwrap();
        sample.check().unwrap();
        // Taking the comment marks off the settings shows every one of them with its default.
        let shown: String =
            text.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect::<Vec<_>>().join("\n");
        let full: Config = holdfast_support::config::parse(&shown, "deploy/holdfast.toml").unwrap();
        let full = Table::try_from(&full).unwrap();
        let mut default = Table::try_from(Config::default()).unwrap();
        // Installed, the data lies elsewhere than where one tries things out.
        default.insert("data".into(), "/var/lib/holdfast".into());
        default.insert("join_token_file".into(), "/etc/holdfast/join-token".into());
        default["log"].as_table_mut().unwrap().insert("file".into(), "/var/log/holdfast.log".into());
        assert_eq!(full, default);
    }

    #[test]
    fn damaged_configuration_is_read_or_refused_with_a_reason() {
        let source = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
        let sample = std::fs::read_to_string(Path::new(&source).join("../../deploy/holdfast.toml")).unwrap();
        // One corpus item a section, so that damage seldom hits a comment.
        let shown: Vec<_> = sample.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect();
        let settings: Vec<_> = shown.iter().copied().filter(|line| !line.starts_with('#')).collect();
        let whole = settings.join("\n");
        let corpus = whole.split("\n[").map(|part| format!("[{part}").trim_start_matches("[\n").into());
        holdfast_fuzz::run(corpus.collect(), |bytes| {
            let text = String::from_utf8_lossy(bytes);
            match holdfast_support::config::parse::<Config>(&text, "fuzz") {
                Ok(config) => config.check().map_err(|refused| refused.to_string().len()),
                Err(error) => {
                    let error = error.to_string();
                    assert!(error.contains("fuzz"), "it names the file: {error}");
                    Err(error.len())
                }
            }
        });
    }

    #[test]
    fn a_mistake_is_named_with_line_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.toml");
        std::fs::write(&path, "data = \"x\"\nlisten = 7\n").unwrap();
        let failure = Config::load(Some(&path), Vec::new()).unwrap_err();
        assert_eq!(failure.exit, crate::failure::Exit::Usage);
        assert!(failure.message.contains("line 2") && failure.message.contains("listen"), "{failure}");
    }

    #[test]
    fn overrides_take_the_type_of_the_setting() {
        assert_eq!(over("listen", "10.0.0.1:1").unwrap().listen.to_string(), "10.0.0.1:1");
        assert_eq!(over("roles", "meta,chunk").unwrap().roles, [Role::Meta, Role::Chunk]);
        assert_eq!(over("gateway.region", "1").unwrap().gateway.region, "1");
        assert_eq!(over("gateway.max_connections", "7").unwrap().gateway.max_connections, 7);
        assert_eq!(over("drain", "3s").unwrap().drain.0.as_secs(), 3);
        assert_eq!(over("disks", "/a").unwrap().disks, [PathBuf::from("/a")]);
        for (key, value) in [("listen", "x"), ("no_such", "1"), ("nowhere.x", "1"), ("roles", "king")] {
            let failure = over(key, value).unwrap_err();
            assert!(failure.message.contains("--set"), "{failure}");
        }
    }

    #[test]
    fn impossible_combinations_are_refused() {
        let bad = [
            Config { roles: Vec::new(), ..Config::default() },
            Config { listen: ([0, 0, 0, 0], 1).into(), ..Config::default() },
            Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() },
            Config {
                chunk: ChunkSection { capacity: Size(1 << 20), ..ChunkSection::default() },
                ..Config::default()
            },
            Config { disks: vec!["a".into(), "a".into()], ..Config::default() },
            Config { join: vec!["nonsense".into()], ..Config::default() },
        ];
        for config in bad {
            assert!(config.check().is_err());
        }
        Config::default().check().unwrap();
    }
}
