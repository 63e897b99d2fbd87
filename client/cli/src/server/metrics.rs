//! Metrics of a node as a whole: what it is, whether it is ready, how much payload it holds.

use std::sync::LazyLock;

use holdfast_support::budget::ByteBudget;
use holdfast_support::shown::Shown;
use holdfast_support::telemetry::{self, shown};

use super::config::Config;
use super::http::Readiness;

static READY: LazyLock<Shown> = LazyLock::new(|| {
    shown("holdfast_ready", "1 while this node says that it can serve (/readyz), else 0", &[])
});
static PARTS: LazyLock<Shown> = LazyLock::new(|| {
    shown("holdfast_part_ready", "1 while this part of the node can serve, else 0", &["part"])
});
static NODE: LazyLock<Shown> = LazyLock::new(|| {
    shown(
        "holdfast_node_info",
        "1, with which node of the cluster this is",
        &["node", "zone", "rack", "host"],
    )
});
static LIMIT: LazyLock<Shown> = LazyLock::new(|| {
    shown("holdfast_payload_budget_bytes", "Bytes of payload that this node may hold in memory at once", &[])
});
static USED: LazyLock<Shown> = LazyLock::new(|| {
    shown("holdfast_payload_budget_used_bytes", "Bytes of payload that this node holds in memory", &[])
});

/// What runs here, and from now on whether it is ready.
pub(super) fn begin(config: &Config, readiness: &Readiness) {
    let roles: Vec<String> = config.roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect();
    telemetry::set_build(env!("CARGO_PKG_VERSION"), &roles.join(","));
    let readiness = readiness.clone();
    telemetry::at_each_scrape(move || {
        let parts = readiness.parts();
        let number = |yes: bool| f64::from(u8::from(yes));
        READY.set(number(parts.iter().all(|(_, ready)| *ready)));
        PARTS.show_by(parts.into_iter().map(|(part, ready)| (part, number(ready))));
        true
    });
}

/// Which node this is.
pub(super) fn set_node(config: &Config, node: u64) {
    let name = format!("n{node}");
    NODE.show([(vec![name.as_str(), &config.zone, &config.rack, &config.host], 1.0)]);
}

/// From now on, how much of the budget is in use.
pub(super) fn watch_budget(budget: &ByteBudget) {
    let budget = budget.clone();
    telemetry::at_each_scrape(move || {
        LIMIT.set(budget.limit() as f64);
        USED.set(budget.in_use() as f64);
        true
    });
}
