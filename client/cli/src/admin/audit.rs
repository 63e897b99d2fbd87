//! `holdfast admin audit`: who did what. Looking through the log, following its chain on every metaserver, taking it along.

use std::io::{self, Write};

use clap::{Args, Subcommand, ValueEnum};
use holdfast_admin::audit::{self, AuditEntry, Filter, Given, Verdict};

use super::operator;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};
use crate::remote::Remote;

/// Entries of a page.
const PAGE: u32 = 1000;

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    #[command(flatten)]
    search: SearchArgs,
    /// Most entries
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Args, Clone, Debug, Default)]
struct SearchArgs {
    /// change, access or event
    #[arg(long)]
    kind: Option<String>,
    /// Done by exactly this name
    #[arg(long)]
    account: Option<String>,
    /// This action, or all that begin with it and a dot, such as disk
    #[arg(long)]
    action: Option<String>,
    /// To exactly this, such as d7
    #[arg(long)]
    target: Option<String>,
    /// With this somewhere in it
    #[arg(long)]
    text: Option<String>,
    /// No earlier than this, such as 2026-01-31T00:00:00Z
    #[arg(long)]
    from: Option<String>,
    /// Before this
    #[arg(long)]
    to: Option<String>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Ndjson,
    Csv,
}

#[derive(Subcommand, Debug)]
enum AuditCommand {
    /// Follow the chain in the copy of every metaserver: nothing was changed, dropped or put in
    Verify {
        /// NUMBER:HASH of an entry that was kept elsewhere; without it a log that was rewritten everywhere looks whole
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Option<String>,
    },
    /// Number and hash of the newest entry, to be kept elsewhere
    Head,
    /// Write all entries to standard output, newest first
    Export {
        /// Form
        #[arg(long, value_enum, default_value = "ndjson")]
        format: Format,
        #[command(flatten)]
        search: SearchArgs,
    },
}

impl SearchArgs {
    fn filter(&self, limit: u32) -> Filter {
        let all = self.clone();
        Filter {
            after: None,
            limit: Some(limit),
            kind: all.kind,
            account: all.account,
            action: all.action,
            target: all.target,
            q: all.text,
            from: all.from,
            to: all.to,
        }
    }
}

pub(super) async fn run(remote: &Remote, args: &AuditArgs, output: Output) -> Outcome<()> {
    match &args.command {
        None => list(remote, args, output).await,
        Some(AuditCommand::Verify { head }) => verify(remote, head.as_deref(), output).await,
        Some(AuditCommand::Head) => {
            let head = audit::head(&operator::cluster(remote)).await?;
            output.show(&head, |out| writeln!(out, "{}:{}", head.seq, head.hash))
        }
        Some(AuditCommand::Export { format, search }) => export(remote, *format, search).await,
    }
}

async fn list(remote: &Remote, args: &AuditArgs, output: Output) -> Outcome<()> {
    let cluster = operator::cluster(remote);
    let mut entries: Vec<AuditEntry> = Vec::new();
    let mut filter = args.search.filter(PAGE.min(u32::try_from(args.limit).unwrap_or(PAGE)).max(1));
    loop {
        let page = audit::list(&cluster, &filter).await?;
        entries.extend(page.items);
        filter.after = page.next;
        if filter.after.is_none() || entries.len() >= args.limit {
            break;
        }
    }
    entries.truncate(args.limit);
    output.show(&entries, |out| {
        let mut table = Table::new(&[">#", "when", "who", "what", "to what", "", "details"]);
        for entry in &entries {
            let details: Vec<String> =
                entry.details.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let from =
                if entry.actor.from.is_empty() { String::new() } else { format!("@{}", entry.actor.from) };
            let who =
                if entry.actor.name.is_empty() { entry.actor.kind.clone() } else { entry.actor.name.clone() };
            table.row(vec![
                entry.seq.to_string(),
                entry.at.clone(),
                format!("{who}{from}"),
                entry.action.clone(),
                entry.target.clone(),
                if entry.outcome == "refused" { "refused".to_owned() } else { String::new() },
                if entry.message.is_empty() { details.join(" ") } else { entry.message.clone() },
            ]);
        }
        table.write(out)
    })
}

fn given(text: &str) -> Outcome<Given> {
    let complain =
        || Failure::usage(format!("'{text}' is not NUMBER:HASH, as `holdfast admin audit head` prints it"));
    let (seq, hash) = text.trim().split_once(':').ok_or_else(complain)?;
    let fine = hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit());
    let seq = seq.parse().ok().filter(|seq| *seq > 0 && fine).ok_or_else(complain)?;
    Ok(Given { seq, hash: hash.to_owned() })
}

async fn verify(remote: &Remote, head: Option<&str>, output: Output) -> Outcome<()> {
    let given = head.map(given).transpose()?.unwrap_or_default();
    let verdict = audit::verify(&operator::cluster(remote), &given).await?;
    output.show(&verdict, |out| human(&verdict, out))?;
    match verdict.ok {
        true => Ok(()),
        false => Err(Failure::failed("the audit log was tampered with, or is damaged")),
    }
}

fn human(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Entries {} to {}: {} looked at", verdict.first, verdict.last, verdict.entries)?;
    for member in &verdict.members {
        let state = match (member.answered, member.ok) {
            (false, _) => "does not answer",
            (true, true) => "whole",
            (true, false) => "NOT WHOLE",
        };
        writeln!(out, "n{}: {state}", member.node)?;
        for problem in member.problems.iter().take(20) {
            writeln!(out, "    entry {}: {}: {}", problem.seq, problem.code, problem.message)?;
        }
        if member.problems.len() > 20 {
            writeln!(out, "    … and {} more", member.problems.len() - 20)?;
        }
    }
    writeln!(out, "Head: {}:{}", verdict.last, verdict.head)
}

async fn export(remote: &Remote, format: Format, search: &SearchArgs) -> Outcome<()> {
    let cluster = operator::cluster(remote);
    let mut out = io::stdout().lock();
    let csv = format == Format::Csv;
    if csv {
        out.write_all(audit::CSV_HEAD.as_bytes())?;
    }
    let mut filter = search.filter(PAGE);
    loop {
        let page = audit::list(&cluster, &filter).await?;
        for entry in &page.items {
            out.write_all(audit::line(entry, csv).as_bytes())?;
        }
        filter.after = page.next;
        if filter.after.is_none() {
            return Ok(out.flush()?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_head_is_read() {
        let hash = "0f".repeat(32);
        assert_eq!(given(&format!("12:{hash}\n")).unwrap().seq, 12);
        for bad in ["12", "0:aa", &format!("x:{hash}"), "12:zz", &format!("0:{hash}")] {
            assert!(given(bad).is_err(), "{bad}");
        }
    }
}
