//! `holdfast admin classes`: storage classes, how they keep data safe.

use clap::{Args, Subcommand, ValueEnum};
use holdfast_client::DEFAULT_CLASS;
use holdfast_proto::map::redundancy::Kind;
use holdfast_proto::map::{Erasure, FailureDomain, Redundancy, StorageClass};
use holdfast_proto::op::{Op, PutClass};
use serde::Serialize;

use crate::failure::{Doing, Failure, Outcome};
use crate::output::{Output, Table, size};
use crate::remote::Remote;

/// Usual length of a chunk.
const CHUNK_BYTES: u64 = 8 << 20;

#[derive(Args, Debug)]
pub(crate) struct ClassesArgs {
    #[command(subcommand)]
    command: Option<ClassesCommand>,
}

#[derive(Subcommand, Debug)]
enum ClassesCommand {
    /// Make a class, or change one of that name
    Put {
        /// Its name
        name: String,
        /// Data and parity shards, such as 4+2: a class with erasure coding. Cannot be changed later
        #[arg(long, value_name = "DATA+PARITY", conflicts_with_all = ["copies", "min_copies"])]
        erasure: Option<Shape>,
        /// Bytes of a cell of an erasure class
        #[arg(long, requires = "erasure", default_value_t = 256 << 10)]
        cell_bytes: u64,
        /// For an erasure class: the replicated class that keeps what is too small or cannot be placed; the default
        /// class if not given
        #[arg(long, requires = "erasure")]
        companion: Option<String>,
        /// Copies of every chunk
        #[arg(long)]
        copies: Option<u32>,
        /// Fewest copies with which a write succeeds while the cluster is degraded
        #[arg(long)]
        min_copies: Option<u32>,
        /// Level at which copies must differ
        #[arg(long)]
        domain: Option<DomainArg>,
        /// Files up to this many bytes lie in metadata
        #[arg(long)]
        inline_limit: Option<u64>,
        /// Largest chunk in bytes
        #[arg(long)]
        chunk_bytes: Option<u64>,
    },
}

/// Data and parity shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    data: u32,
    parity: u32,
}

impl Shape {
    /// The redundancy of this shape.
    pub(crate) fn redundancy(self, cell_bytes: u64) -> Redundancy {
        let Self { data, parity } = self;
        Redundancy { kind: Some(Kind::Erasure(Erasure { data, parity, cell_bytes })) }
    }
}

impl std::str::FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not of the form DATA+PARITY, such as 4+2");
        let (data, parity) = text.split_once('+').ok_or_else(wrong)?;
        let (data, parity) = (data.parse().map_err(|_| wrong())?, parity.parse().map_err(|_| wrong())?);
        if data == 0 || parity == 0 {
            return Err("there is at least one data and one parity shard".to_owned());
        }
        Ok(Self { data, parity })
    }
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum DomainArg {
    Disk,
    Host,
    Rack,
    Zone,
}

#[derive(Serialize)]
pub(super) struct ClassView {
    id: u32,
    epoch: u64,
    name: String,
    redundancy: String,
    domain: &'static str,
    inline_limit_bytes: u64,
    chunk_bytes: u64,
    companion: u32,
}

pub(super) fn view(class: &StorageClass) -> ClassView {
    let redundancy = match class.redundancy.as_ref().and_then(|r| r.kind.as_ref()) {
        Some(Kind::Replicated(r)) => format!("{} copies, at least {}", r.copies, r.min_copies),
        Some(Kind::Erasure(e)) => format!("{}+{}, cells of {}", e.data, e.parity, size(e.cell_bytes)),
        None => "none".to_owned(),
    };
    ClassView {
        id: class.id,
        epoch: class.epoch,
        name: class.name.clone(),
        redundancy,
        domain: match FailureDomain::try_from(class.domain) {
            Ok(FailureDomain::Disk) => "disk",
            Ok(FailureDomain::Host) => "host",
            Ok(FailureDomain::Rack) => "rack",
            Ok(FailureDomain::Zone) => "zone",
            Err(_) => "unknown",
        },
        inline_limit_bytes: class.inline_limit,
        chunk_bytes: class.chunk_bytes,
        companion: class.companion,
    }
}

pub(super) async fn run(remote: &Remote, args: &ClassesArgs, output: Output) -> Outcome<()> {
    let classes = super::whole_map(remote).await?.classes;
    let Some(command) = &args.command else {
        let views: Vec<ClassView> = classes.iter().map(view).collect();
        return output.show(&views, |out| {
            let mut table = Table::new(&["class", "name", "redundancy", "across", ">inline", ">chunk"]);
            for view in &views {
                table.row(vec![
                    view.id.to_string(),
                    view.name.clone(),
                    view.redundancy.clone(),
                    view.domain.to_owned(),
                    size(view.inline_limit_bytes),
                    size(view.chunk_bytes),
                ]);
            }
            table.write(out)
        });
    };
    let ClassesCommand::Put {
        name,
        erasure,
        cell_bytes,
        companion,
        copies,
        min_copies,
        domain,
        inline_limit,
        chunk_bytes,
    } = command;
    let old = classes.iter().find(|c| c.name == *name);
    let op = match erasure {
        Some(shape) => {
            let companion = match companion {
                Some(name) => classes.iter().find(|c| c.name == *name).map(|c| c.id),
                None => Some(DEFAULT_CLASS.0),
            };
            let companion =
                companion.ok_or_else(|| Failure::refused("there is no class of the companion's name"))?;
            coded(name, old, *shape, *cell_bytes, companion)?
        }
        None => changed(name, old, *copies, *min_copies)?,
    };
    let op = PutClass {
        domain: domain.map_or(op.domain, |d| match d {
            DomainArg::Disk => FailureDomain::Disk as i32,
            DomainArg::Host => FailureDomain::Host as i32,
            DomainArg::Rack => FailureDomain::Rack as i32,
            DomainArg::Zone => FailureDomain::Zone as i32,
        }),
        inline_limit: inline_limit.unwrap_or(op.inline_limit),
        chunk_bytes: chunk_bytes.unwrap_or(op.chunk_bytes),
        ..op
    };
    remote.mutate(Op::PutClass(op)).await.doing(format_args!("store class {name}"))?;
    Ok(())
}

/// The command for an erasure class. Its usual chunks are as many whole stripes as the default class's.
fn coded(
    name: &str,
    old: Option<&StorageClass>,
    shape: Shape,
    cell_bytes: u64,
    companion: u32,
) -> Outcome<PutClass> {
    if cell_bytes == 0 || !cell_bytes.is_multiple_of(4096) {
        return Err(Failure::usage("--cell-bytes must be a multiple of 4096"));
    }
    let stripe = u64::from(shape.data).saturating_mul(cell_bytes);
    Ok(PutClass {
        id: old.map_or(0, |c| c.id),
        name: name.to_owned(),
        redundancy: Some(shape.redundancy(cell_bytes)),
        domain: old.map_or(FailureDomain::Host as i32, |c| c.domain),
        inline_limit: old.map_or(4096, |c| c.inline_limit),
        chunk_bytes: old.map_or((CHUNK_BYTES / stripe).max(1) * stripe, |c| c.chunk_bytes),
        companion,
        if_epoch: old.map_or(0, |c| c.epoch),
    })
}

/// The command for a class with other copies: from the old one, or from the usual values.
fn changed(
    name: &str,
    old: Option<&StorageClass>,
    copies: Option<u32>,
    min: Option<u32>,
) -> Outcome<PutClass> {
    let (old_copies, old_min) = match old.and_then(|c| c.redundancy.as_ref()).and_then(|r| r.kind.as_ref()) {
        Some(Kind::Replicated(r)) => (r.copies, r.min_copies),
        Some(Kind::Erasure(_)) => {
            return Err(Failure::refused("an erasure class cannot be changed into copies"));
        }
        None => (3, 2),
    };
    let copies = copies.unwrap_or(old_copies);
    let min = min.unwrap_or_else(|| old_min.min(copies));
    if copies == 0 || min == 0 || min > copies {
        return Err(Failure::usage(
            "--copies and --min-copies must be at least 1, and --min-copies at most --copies",
        ));
    }
    Ok(PutClass {
        id: old.map_or(0, |c| c.id),
        name: name.to_owned(),
        redundancy: Some(Redundancy::replicated(copies, min)),
        domain: old.map_or(FailureDomain::Host as i32, |c| c.domain),
        inline_limit: old.map_or(4096, |c| c.inline_limit),
        chunk_bytes: old.map_or(CHUNK_BYTES, |c| c.chunk_bytes),
        companion: old.map_or(0, |c| c.companion),
        if_epoch: old.map_or(0, |c| c.epoch),
    })
}
