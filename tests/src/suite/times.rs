//! How long programs took the last time, kept where cargo builds: the longest begin first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::program::{Program, Ran};

/// Milliseconds by name.
#[derive(Default)]
pub(super) struct Times(BTreeMap<String, u64>);

fn path(logs: &Path) -> PathBuf {
    logs.join("times.json")
}

impl Times {
    /// As far as they are known.
    pub(super) fn load(logs: &Path) -> Self {
        let text = std::fs::read_to_string(path(logs)).unwrap_or_default();
        Self(serde_json::from_str(&text).unwrap_or_default())
    }

    /// How long it took; one that never ran may take longest.
    pub(super) fn of(&self, program: &Program) -> Duration {
        self.0.get(&program.name).map_or(Duration::MAX, |ms| Duration::from_millis(*ms))
    }

    /// Remembers one that ran.
    pub(super) fn learn(&mut self, ran: &Ran) {
        self.0.insert(ran.program.name.clone(), ran.took.as_millis() as u64);
    }

    /// For the next time.
    pub(super) fn save(&self, logs: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.0)?;
        std::fs::write(path(logs), text).context("keep how long tests took")
    }
}
