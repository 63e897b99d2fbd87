//! The access keys of the cluster, as this gateway knows them.
//!
//! What always holds: the set is replaced as a whole. It is fetched every few seconds by a task, and at once for
//! a key that is not known, but never more often than [`MIN_INTERVAL`], so that guesses do not become load on the
//! metadata. While the metadata cannot be reached the last set stays in use; without metadata no operation
//! succeeds anyway. Secrets are in no `Debug` output.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use holdfast_proto::op::{KeyRule, PutKey};
use holdfast_proto::query::{ListKeys, Query};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::auth::{AuthError, signing};
use crate::store::Store;

/// How often the set is fetched.
const REFRESH: Duration = Duration::from_secs(3);

/// Shortest time between two fetches for unknown keys.
const MIN_INTERVAL: Duration = Duration::from_millis(250);

/// One access key.
pub(crate) struct AccessKey {
    pub(crate) id: String,
    secret: String,
    pub(crate) rules: Vec<KeyRule>,
    pub(crate) disabled: bool,
    /// The signing key of the last day asked for: deriving it costs four HMACs.
    derived: Mutex<Option<(String, [u8; 32])>>,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

impl AccessKey {
    fn new(key: PutKey) -> Self {
        Self {
            id: key.access_key,
            secret: key.secret_key,
            rules: key.rules,
            disabled: key.disabled,
            derived: Mutex::new(None),
        }
    }

    /// The signing key for a day and this gateway's region.
    pub(crate) fn signing_key(&self, date: &str, region: &str) -> [u8; 32] {
        let mut derived = self.derived.lock();
        if let Some((day, key)) = derived.as_ref()
            && day == date
        {
            return *key;
        }
        let key = signing::signing_key(&self.secret, date, region);
        *derived = Some((date.to_owned(), key));
        key
    }

    fn same_as(&self, key: &PutKey) -> bool {
        self.secret == key.secret_key && self.rules == key.rules && self.disabled == key.disabled
    }
}

type Keys = HashMap<String, Arc<AccessKey>>;

/// All keys.
pub(crate) struct KeyRing {
    store: Arc<dyn Store>,
    keys: ArcSwap<Keys>,
    /// When the last fetch began, and whether one ever worked.
    fetch: tokio::sync::Mutex<Option<Instant>>,
}

impl KeyRing {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, keys: ArcSwap::default(), fetch: tokio::sync::Mutex::new(None) }
    }

    /// Fetches the keys for ever.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        let mut failing = false;
        loop {
            tokio::time::sleep(REFRESH).await;
            let mut last = self.fetch.lock().await;
            match self.fetch().await {
                Ok(()) => {
                    *last = Some(Instant::now());
                    failing = false;
                }
                Err(error) if !failing => {
                    tracing::warn!(%error, "cannot fetch access keys; using those of the last time");
                    failing = true;
                }
                Err(_) => {}
            }
        }
    }

    /// Finds a key, asking the metadata when it is not known.
    pub(crate) async fn find(&self, id: &str) -> Result<Arc<AccessKey>, AuthError> {
        if let Some(key) = self.keys.load().get(id) {
            return Ok(Arc::clone(key));
        }
        let mut last = self.fetch.lock().await;
        if let Some(key) = self.keys.load().get(id) {
            return Ok(Arc::clone(key));
        }
        if last.is_some_and(|at| at.elapsed() < MIN_INTERVAL) {
            return Err(AuthError::UnknownKey);
        }
        if let Err(error) = self.fetch().await {
            tracing::debug!(%error, "cannot fetch access keys");
            return Err(AuthError::KeysUnavailable);
        }
        *last = Some(Instant::now());
        self.keys.load().get(id).cloned().ok_or(AuthError::UnknownKey)
    }

    async fn fetch(&self) -> Result<(), holdfast_proto::status::Status> {
        let reply = self.store.ask(Query::ListKeys(ListKeys {})).await?;
        let old = self.keys.load();
        let keys: Keys = reply
            .keys
            .into_iter()
            .map(|key| match old.get(&key.access_key) {
                Some(known) if known.same_as(&key) => (key.access_key, Arc::clone(known)),
                _ => (key.access_key.clone(), Arc::new(AccessKey::new(key))),
            })
            .collect();
        self.keys.store(Arc::new(keys));
        Ok(())
    }
}

#[cfg(test)]
impl AccessKey {
    /// A key with these rules, for tests of what it may do.
    pub(crate) fn for_test(rules: Vec<KeyRule>) -> Self {
        Self::new(PutKey {
            access_key: "test".into(),
            secret_key: "secret".into(),
            rules,
            ..PutKey::default()
        })
    }
}
