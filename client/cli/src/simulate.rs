//! `holdfast simulate`: what a cluster would be like: how evenly it fills, what growing moves, how long a loss takes to
//! mend, how likely losing data is. It asks no cluster; it runs the planners that clusters run on.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use holdfast_proto::map::{FailureDomain, Redundancy};
use holdfast_state::plan::simulate::{Damage, Described, Growth, Layout, Rates, Simulation, Spread};
use holdfast_support::config::Size;
use serde::Serialize;

use crate::admin::Shape;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, size, span_ms};

/// Disks that are simulated at most.
const MOST_DISKS: u32 = 100_000;

#[derive(Args, Debug)]
pub(crate) struct SimulateArgs {
    /// Hosts
    #[arg(long, default_value_t = 10)]
    hosts: u32,

    /// Disks of each host
    #[arg(long, default_value_t = 4)]
    disks: u32,

    /// Racks in each zone; hosts are spread over them
    #[arg(long, default_value_t = 1)]
    racks: u32,

    /// Zones
    #[arg(long, default_value_t = 1)]
    zones: u32,

    /// Capacity of a disk
    #[arg(long, default_value = "8TiB")]
    disk_size: Size,

    /// How full disks are, in percent
    #[arg(long, default_value_t = 60.0)]
    fill: f64,

    /// Copies of every chunk
    #[arg(long, default_value_t = 3, conflicts_with = "erasure")]
    copies: u32,

    /// Data and parity shards instead of copies, such as 4+2
    #[arg(long, value_name = "DATA+PARITY")]
    erasure: Option<Shape>,

    /// Level at which copies or shards must differ
    #[arg(long, default_value = "host")]
    domain: Level,

    /// Writable placement groups per disk
    #[arg(long, default_value_t = 32)]
    groups_per_disk: u32,

    /// Hosts that are added and balanced onto
    #[arg(long, default_value_t = 1)]
    add_hosts: u32,

    /// Hosts that are lost for good, with all their disks
    #[arg(long, default_value_t = 0)]
    lose_hosts: u32,

    /// Disks that are lost for good, on as many hosts as there are
    #[arg(long, default_value_t = 1)]
    lose_disks: u32,

    /// What repair and balance may read and write per disk and second
    #[arg(long, default_value = "100MiB")]
    disk_rate: Size,

    /// What they may send and receive per host and second
    #[arg(long, default_value = "1GiB")]
    host_rate: Size,

    /// Seconds until a loss is acted on: down_ms and grace_seconds of the cluster
    #[arg(long, default_value_t = 310)]
    notice: u64,

    /// Disks that fail for good in a year, in percent
    #[arg(long, default_value_t = 1.5)]
    disk_failures: f64,

    /// Hosts lost for good with their disks in a year, in percent
    #[arg(long, default_value_t = 0.5)]
    host_failures: f64,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Level {
    Disk,
    Host,
    Rack,
    Zone,
}

#[derive(Serialize)]
struct View {
    disks: u32,
    raw_bytes: u64,
    usable_bytes: u64,
    layout: LayoutView,
    growth: Option<GrowthView>,
    loss: LossView,
    loss_per_year: f64,
    assumptions: Vec<String>,
}

#[derive(Serialize)]
struct SpreadView {
    least: f64,
    mean: f64,
    most: f64,
}

#[derive(Serialize)]
struct LayoutView {
    groups: usize,
    different_sets: usize,
    groups_per_disk: SpreadView,
    full: SpreadView,
    partners_per_disk: SpreadView,
    groups_with_two_members_in_one_domain: usize,
}

#[derive(Serialize)]
struct GrowthView {
    hosts_added: u32,
    moves: usize,
    bytes: u64,
    least_bytes: u64,
    seconds: u64,
    full_before: SpreadView,
    full_after: SpreadView,
    disks_over_cap: usize,
}

#[derive(Serialize)]
struct LossView {
    disks_lost: usize,
    groups_hurt: usize,
    groups_without_redundancy: usize,
    groups_lost: usize,
    groups_short_for_lack_of_places: usize,
    bytes: u64,
    disks_giving: usize,
    disks_taking: usize,
    seconds: u64,
    full_after: SpreadView,
}

pub(crate) fn run(args: &SimulateArgs, output: Output) -> Outcome<()> {
    let described = described(args)?;
    let rates = Rates {
        disk: args.disk_rate.0,
        host: args.host_rate.0,
        notice_s: args.notice,
        disk_failures: args.disk_failures / 100.0,
        host_failures: args.host_failures / 100.0,
    };
    let fresh = Simulation::new(described);
    let layout = fresh.layout();
    let growth = (args.add_hosts > 0).then(|| fresh.clone().grow(args.add_hosts, &rates));
    let loss = fresh.clone().lose(args.lose_hosts, args.lose_disks, &rates);
    // The odds go by the usual case: one disk, mended before the next.
    let one = fresh.clone().lose(0, 1, &rates);
    let disks = args.hosts * args.disks;
    let raw = u64::from(disks).saturating_mul(args.disk_size.0);
    let members = u64::from(described.redundancy.members().max(1));
    let view = View {
        disks,
        raw_bytes: raw,
        usable_bytes: raw / members * u64::from(described.redundancy.min_readable()),
        layout: layout_view(&layout),
        growth: growth.map(|growth| growth_view(args.add_hosts, &growth)),
        loss: loss_view(&loss),
        loss_per_year: fresh.odds(&rates, one.seconds),
        assumptions: assumptions(args, &described, &layout, one.seconds),
    };
    output.show(&view, |out| human(&view, out))
}

fn described(args: &SimulateArgs) -> Outcome<Described> {
    let redundancy = match args.erasure {
        Some(shape) => shape.redundancy(256 << 10),
        None => Redundancy::replicated(args.copies, args.copies.min(2)),
    };
    if args.copies == 0 || args.hosts == 0 || args.disks == 0 || args.disk_size.0 == 0 {
        return Err(Failure::usage("--hosts, --disks, --disk-size and --copies must be at least 1"));
    }
    let all = u64::from(args.hosts) + u64::from(args.add_hosts);
    if all * u64::from(args.disks) > u64::from(MOST_DISKS) {
        return Err(Failure::usage(format!("at most {MOST_DISKS} disks are simulated")));
    }
    if !(0.0..=90.0).contains(&args.fill) {
        return Err(Failure::usage("--fill lies between 0 and 90 percent"));
    }
    if redundancy.members() > args.hosts * args.disks {
        return Err(Failure::usage(format!(
            "{} members of a group need as many disks; there are {}",
            redundancy.members(),
            args.hosts * args.disks
        )));
    }
    Ok(Described {
        zones: args.zones.max(1),
        racks: args.racks.max(1),
        hosts: args.hosts,
        disks: args.disks,
        disk_bytes: args.disk_size.0,
        fill: args.fill / 100.0,
        redundancy,
        domain: match args.domain {
            Level::Disk => FailureDomain::Disk,
            Level::Host => FailureDomain::Host,
            Level::Rack => FailureDomain::Rack,
            Level::Zone => FailureDomain::Zone,
        },
        groups_per_disk: args.groups_per_disk.max(1),
    })
}

fn assumptions(args: &SimulateArgs, described: &Described, layout: &Layout, rebuild_s: u64) -> Vec<String> {
    let (n, k) = (described.redundancy.members(), described.redundancy.min_readable());
    let m = n.saturating_sub(k);
    vec![
        format!(
            "P = 1 - exp(-S * n!/((n-m-1)! m!) * l^(m+1) * t^m * 1 year), with S = {} different sets of disks, n = {n} \
             members of which m = {m} may be lost, l = {} % a year per member (its disk {} %, its host {} %), t = {} \
             (to notice and rebuild one disk)",
            layout.sets,
            args.disk_failures + args.host_failures,
            args.disk_failures,
            args.host_failures,
            span_ms(rebuild_s * 1000),
        ),
        "failures are independent: no bad batch of disks, no fire, no fault of power that destroys".into(),
        "lost members are rebuilt at once and in parallel; a host counts as lost only if it never comes back"
            .into(),
        format!(
            "repair reads and writes {}/s per disk and {}/s per host; every group holds the same",
            size(args.disk_rate.0),
            size(args.host_rate.0)
        ),
        "latent damage is found and mended by the scrub before it adds to a loss".into(),
    ]
}

fn spread(s: &Spread) -> SpreadView {
    SpreadView { least: s.least, mean: s.mean, most: s.most }
}

fn layout_view(layout: &Layout) -> LayoutView {
    LayoutView {
        groups: layout.groups,
        different_sets: layout.sets,
        groups_per_disk: spread(&layout.per_disk),
        full: spread(&layout.full),
        partners_per_disk: spread(&layout.partners),
        groups_with_two_members_in_one_domain: layout.crowded,
    }
}

fn growth_view(hosts_added: u32, growth: &Growth) -> GrowthView {
    GrowthView {
        hosts_added,
        moves: growth.moves,
        bytes: growth.bytes,
        least_bytes: growth.least,
        seconds: growth.seconds,
        full_before: spread(&growth.before),
        full_after: spread(&growth.after),
        disks_over_cap: growth.over_cap,
    }
}

fn loss_view(loss: &Damage) -> LossView {
    LossView {
        disks_lost: loss.disks,
        groups_hurt: loss.hurt,
        groups_without_redundancy: loss.bare,
        groups_lost: loss.lost,
        groups_short_for_lack_of_places: loss.short,
        bytes: loss.bytes,
        disks_giving: loss.givers,
        disks_taking: loss.takers,
        seconds: loss.seconds,
        full_after: spread(&loss.after),
    }
}

fn percent(s: &SpreadView) -> String {
    format!("{:.1} … {:.1} … {:.1} %", s.least * 100.0, s.mean * 100.0, s.most * 100.0)
}

fn counts(s: &SpreadView) -> String {
    format!("{:.0} … {:.1} … {:.0}", s.least, s.mean, s.most)
}

fn human(view: &View, out: &mut dyn Write) -> io::Result<()> {
    let l = &view.layout;
    writeln!(out, "Least … mean … most over all disks.\n")?;
    writeln!(
        out,
        "Cluster:    {} disks, {} raw, {} usable",
        view.disks,
        size(view.raw_bytes),
        size(view.usable_bytes)
    )?;
    writeln!(out, "Groups:     {} on {} different sets of disks", l.groups, l.different_sets)?;
    writeln!(out, "  per disk  {}", counts(&l.groups_per_disk))?;
    writeln!(out, "  partners  {} other disks share groups with one", counts(&l.partners_per_disk))?;
    writeln!(out, "  full      {}", percent(&l.full))?;
    if l.groups_with_two_members_in_one_domain > 0 {
        writeln!(
            out,
            "  {} groups have two members in one failure domain: there are too few domains",
            l.groups_with_two_members_in_one_domain
        )?;
    }
    if let Some(g) = &view.growth {
        let more = if g.least_bytes == 0 { 1.0 } else { g.bytes as f64 / g.least_bytes as f64 };
        writeln!(out, "\nGrowing by {} hosts:", g.hosts_added)?;
        writeln!(
            out,
            "  moves     {} members, {}: {more:.3} times the least possible",
            g.moves,
            size(g.bytes)
        )?;
        writeln!(out, "  takes     {}", span_ms(g.seconds * 1000))?;
        writeln!(out, "  full      {} before", percent(&g.full_before))?;
        writeln!(out, "            {} after", percent(&g.full_after))?;
        writeln!(out, "  {} disks pass their cap on the way", g.disks_over_cap)?;
    }
    let d = &view.loss;
    writeln!(out, "\nLosing {} disks:", d.disks_lost)?;
    writeln!(
        out,
        "  groups    {} hurt, {} left without redundancy, {} lost",
        d.groups_hurt, d.groups_without_redundancy, d.groups_lost
    )?;
    if d.groups_short_for_lack_of_places > 0 {
        writeln!(
            out,
            "            {} stay short: no disk can take the place",
            d.groups_short_for_lack_of_places
        )?;
    }
    writeln!(
        out,
        "  rebuild   {} by {} disks for {} disks, done {} after the loss",
        size(d.bytes),
        d.disks_giving,
        d.disks_taking,
        span_ms(d.seconds * 1000)
    )?;
    writeln!(out, "  full      {} afterwards", percent(&d.full_after))?;
    writeln!(out, "\nProbability of losing anything within a year: {:.2e}", view.loss_per_year)?;
    for line in &view.assumptions {
        writeln!(out, "  - {line}")?;
    }
    Ok(())
}
