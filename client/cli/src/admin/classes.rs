//! `holdfast admin classes`: storage classes, how they keep data safe.

use clap::{Args, Subcommand, ValueEnum};
use holdfast_admin::classes::{self, ClassSpec, ClassView};
use holdfast_proto::map::redundancy::Kind;
use holdfast_proto::map::{Erasure, Redundancy};

use super::operator;
use crate::failure::{Doing, Failure, Outcome};
use crate::output::{Output, Table, size};
use crate::remote::Remote;

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

impl DomainArg {
    fn name(self) -> String {
        match self {
            Self::Disk => "disk",
            Self::Host => "host",
            Self::Rack => "rack",
            Self::Zone => "zone",
        }
        .to_owned()
    }
}

/// How it keeps data safe, in words.
fn redundancy(class: &ClassView) -> String {
    match (class.copies, class.min_copies, class.data, class.parity) {
        (Some(copies), Some(least), ..) => format!("{copies} copies, at least {least}"),
        (.., Some(data), Some(parity)) => {
            format!("{data}+{parity}, cells of {}", size(class.cell_bytes.unwrap_or(0)))
        }
        _ => "none".to_owned(),
    }
}

pub(super) async fn run(remote: &Remote, args: &ClassesArgs, output: Output) -> Outcome<()> {
    let cluster = operator::cluster(remote);
    let views = classes::list(&cluster).await?;
    let Some(command) = &args.command else {
        return output.show(&views, |out| {
            let mut table = Table::new(&["class", "name", "redundancy", "across", ">inline", ">chunk"]);
            for view in &views {
                table.row(vec![
                    view.id.to_string(),
                    view.name.clone(),
                    redundancy(view),
                    view.domain.clone(),
                    size(view.inline_limit),
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
    let named = |name: &String| views.iter().find(|class| class.name == *name).map(|class| class.id);
    let companion = match companion {
        Some(name) => {
            let found = named(name);
            Some(found.ok_or_else(|| Failure::refused("there is no class of the companion's name"))?)
        }
        None => None,
    };
    let replicated = copies.is_some() || min_copies.is_some();
    let spec = ClassSpec {
        name: Some(name.clone()),
        kind: match (erasure, replicated) {
            (Some(_), _) => Some("erasure".to_owned()),
            (None, true) => Some("replicated".to_owned()),
            (None, false) => None,
        },
        copies: *copies,
        min_copies: *min_copies,
        data: erasure.map(|shape| shape.data),
        parity: erasure.map(|shape| shape.parity),
        domain: domain.map(DomainArg::name),
        inline_limit: *inline_limit,
        chunk_bytes: *chunk_bytes,
        cell_bytes: erasure.map(|_| *cell_bytes),
        companion,
    };
    classes::put(&cluster, named(name), &spec).await.doing(format_args!("store class {name}"))?;
    Ok(())
}
