//! `holdfast trash keep`: for how long files are kept that are deleted below a directory.

use std::ffi::OsString;

use clap::Args;
use holdfast_proto::op::{Op, SetTrashTime};
use holdfast_proto::query::{ListSettings, Query};
use holdfast_support::config::Period;
use serde::Serialize;

use crate::failure::{Doing, Failure, Outcome};
use crate::output::{Output, span_ms};
use crate::place::RemotePath;
use crate::remote::Remote;

/// The cluster setting for what no directory says.
const SETTING: &str = "trash_seconds";

#[derive(Args, Debug)]
pub(super) struct KeepArgs {
    /// A bucket or directory; what lies below it follows, unless it says otherwise itself
    path: OsString,

    /// Such as 7d or 12h; 0: not at all; inherit: as above it. Shows what holds when it is left out
    #[arg(value_parser = parse_time)]
    time: Option<Time>,
}

/// What is said of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    Inherit,
    Seconds(u64),
}

fn parse_time(text: &str) -> Result<Time, String> {
    match text {
        "inherit" => Ok(Time::Inherit),
        "0" => Ok(Time::Seconds(0)),
        text => match text.parse::<Period>()?.0.as_secs() {
            0 => Err("say at least 1s, or 0 for not at all".to_owned()),
            seconds => Ok(Time::Seconds(seconds)),
        },
    }
}

#[derive(Serialize)]
struct View {
    seconds: u64,
    /// The directory that says so; absent: the cluster setting.
    said_by: Option<String>,
}

pub(super) async fn run(remote: &Remote, args: &KeepArgs, output: Output) -> Outcome<()> {
    let path = RemotePath::parse(&args.path)?;
    let Some(time) = args.time else { return show(remote, path, output).await };
    let found = remote.need(&path, true).await?;
    let seconds = match time {
        Time::Inherit => None,
        Time::Seconds(seconds) => Some(seconds),
    };
    let op = Op::SetTrashTime(SetTrashTime { ino: found.inode.ino, seconds });
    remote.mutate(op).await.doing(format_args!("say for how long files deleted below {path} are kept"))?;
    Ok(())
}

async fn show(remote: &Remote, path: RemotePath, output: Output) -> Outcome<()> {
    let mut at = Some(path);
    let mut view = None;
    while let Some(path) = at {
        let found = remote.need(&path, true).await?;
        if let Some(seconds) = found.inode.trash_seconds {
            view = Some(View { seconds, said_by: Some(path.to_string()) });
            break;
        }
        at = path.parent();
    }
    let view = match view {
        Some(view) => view,
        None => View { seconds: setting(remote).await?, said_by: None },
    };
    output.show(&view, |out| {
        let by = view.said_by.clone().unwrap_or_else(|| format!("cluster setting {SETTING}"));
        match view.seconds {
            0 => writeln!(out, "not kept ({by})"),
            seconds => writeln!(out, "kept for {} ({by})", span_ms(seconds.saturating_mul(1000))),
        }
    })
}

async fn setting(remote: &Remote) -> Outcome<u64> {
    let settings = remote.ask(Query::ListSettings(ListSettings {})).await?.settings;
    let value = settings.into_iter().find(|setting| setting.key == SETTING).map(|setting| setting.value);
    value.and_then(|value| value.parse().ok()).ok_or_else(|| {
        Failure::failed(format!("the cluster does not know the setting {SETTING}: it is of another version"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_lengths_or_words() {
        assert_eq!(parse_time("12h"), Ok(Time::Seconds(12 * 3600)));
        assert_eq!(parse_time("0"), Ok(Time::Seconds(0)));
        assert_eq!(parse_time("inherit"), Ok(Time::Inherit));
        assert!(parse_time("10ms").is_err() && parse_time("soon").is_err());
    }
}
