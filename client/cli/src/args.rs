//! The command line: what can be said. What it does lives in one file per command.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::connect::ConnectArgs;

const AFTER: &str = "\
Paths in the cluster are written hf:/bucket/dir/file; where only the cluster can be meant (ls, cat, rm, …) \
plain /bucket/dir/file does as well.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 not found, 4 cluster unreachable or too slow, \
5 refused, 6 some of many items failed, 7 fsck found problems and repaired all of them.";

/// Holdfast: a distributed store for files and objects.
#[derive(Parser, Debug)]
#[command(name = "holdfast", version, after_help = AFTER, max_term_width = 110, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,

    /// Show results as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// No progress bars
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Prepare a data directory for a new cluster without starting it
    Init(crate::server::ServerArgs),
    /// Run a node: any set of roles, by default all of a single-node store
    Server(crate::server::ServerArgs),

    /// Mount the namespace as a file system
    Mount(crate::mount::MountArgs),
    /// Unmount it
    Umount(crate::mount::UmountArgs),

    /// Copy files from this machine into the cluster
    Put(CopyArgs),
    /// Copy files from the cluster to this machine
    Get(CopyArgs),
    /// Copy files; either side may be hf:/…
    Cp(CopyArgs),
    /// List directories
    Ls(LsArgs),
    /// Write files to standard output
    Cat(PathsArgs),
    /// Rename or move within the cluster
    Mv(MvArgs),
    /// Remove files, with -r directories
    Rm(RmArgs),
    /// Make directories; at the top level, buckets
    Mkdir(MkdirArgs),
    /// Show everything about files
    Stat(PathsArgs),
    /// Add up what directories hold
    Du(DuArgs),
    /// Show or change the storage class of buckets, directories and files
    Class(crate::files::class::ClassArgs),
    /// Deleted files that are kept for a while: list, restore, let go, for how long
    Trash(crate::trash::TrashArgs),
    /// Show capacity and use
    Df,
    /// Show a directory as a tree
    Tree(TreeArgs),

    /// Look at and steer the cluster
    #[command(subcommand)]
    Admin(crate::admin::AdminCommand),
    /// Measure: closed loop, latency histogram
    Bench(crate::bench::BenchArgs),
    /// Check metadata on every metaserver and chunks on every disk, in both directions; repair
    Fsck(crate::fsck::FsckArgs),
    /// What a described cluster would be like: balance, growth, rebuild after a loss, odds of losing data
    Simulate(crate::simulate::SimulateArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args, Debug)]
pub(crate) struct CopyArgs {
    /// Copy directories with everything in them
    #[arg(long, short)]
    pub(crate) recursive: bool,

    /// Keep owner, group and directories' modes and times too; implies -r
    #[arg(long, short)]
    pub(crate) archive: bool,

    /// Copy what symbolic links point at instead of the links
    #[arg(long, short = 'L')]
    pub(crate) dereference: bool,

    /// Leave files alone that are there already with the same length and time
    #[arg(long, short)]
    pub(crate) update: bool,

    /// Files copied at the same time
    #[arg(long, short, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) jobs: u16,

    /// What to copy (`-`: standard input), then where to (`-`: standard output)
    #[arg(required = true, num_args = 2.., value_name = "SOURCE… TARGET")]
    pub(crate) paths: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct LsArgs {
    /// One line each with mode, owner, size and time
    #[arg(long, short)]
    pub(crate) long: bool,

    /// Directories with everything in them
    #[arg(long, short)]
    pub(crate) recursive: bool,

    /// The directory itself, not what is in it
    #[arg(long, short)]
    pub(crate) directory: bool,

    /// What to list; the buckets when nothing is named
    pub(crate) paths: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct PathsArgs {
    /// Paths in the cluster
    #[arg(required = true)]
    pub(crate) paths: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct MvArgs {
    /// Fail instead of replacing what is there
    #[arg(long, short)]
    pub(crate) no_clobber: bool,

    /// What to move, then where to
    #[arg(required = true, num_args = 2.., value_name = "SOURCE… TARGET")]
    pub(crate) paths: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct RmArgs {
    /// Directories with everything in them
    #[arg(long, short)]
    pub(crate) recursive: bool,

    /// What is not there is no error
    #[arg(long, short)]
    pub(crate) force: bool,

    /// Directories emptied at the same time
    #[arg(long, short, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) jobs: u16,

    /// What to remove
    #[arg(required = true)]
    pub(crate) paths: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct MkdirArgs {
    /// Parents too; existing directories are fine
    #[arg(long, short)]
    pub(crate) parents: bool,

    /// Mode of new directories, octal
    #[arg(long, short, default_value = "755", value_parser = parse_mode)]
    pub(crate) mode: u32,

    /// Directories to make
    #[arg(required = true)]
    pub(crate) paths: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct DuArgs {
    /// Only totals, not every directory
    #[arg(long, short)]
    pub(crate) summarize: bool,

    /// Show directories down to this depth
    #[arg(long, short = 'd')]
    pub(crate) max_depth: Option<usize>,

    /// What to add up; everything when nothing is named
    pub(crate) paths: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct TreeArgs {
    /// Go down to this depth
    #[arg(long, short = 'd')]
    pub(crate) max_depth: Option<usize>,

    /// Show sizes
    #[arg(long, short)]
    pub(crate) size: bool,

    /// Where to start; the buckets when nothing is named
    pub(crate) path: Option<OsString>,
}

fn parse_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(mode),
        _ => Err("write an octal mode such as 755".to_owned()),
    }
}

/// A file to write a secret into, readable by its owner only.
#[derive(Args, Debug, Clone)]
pub(crate) struct SecretOut {
    /// Write the secret into this file (mode 0600) instead of showing it
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
