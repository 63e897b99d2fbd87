//! `holdfast admin keys`: S3 access keys. A secret is shown once, when it is made, or written into a file.

use clap::{Args, Subcommand};
use holdfast_admin::keys::{self, KeySpec, Rule};
use serde::Serialize;

use super::operator;
use crate::args::SecretOut;
use crate::failure::{Doing, Failure, Outcome};
use crate::output::{Output, Table};
use crate::remote::Remote;
use crate::server::secrets;

#[derive(Args, Debug)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: Option<KeysCommand>,
}

#[derive(Subcommand, Debug)]
enum KeysCommand {
    /// Make a key; its secret is generated
    Add {
        /// For people
        #[arg(long, default_value = "")]
        description: String,
        /// What it may do where: `bucket:rwm` (read, write, manage); a bucket may end in `*`. Default: `*:rwm`
        #[arg(long = "allow", value_name = "BUCKET:RIGHTS", default_value = "*:rwm")]
        allow: Vec<String>,
        #[command(flatten)]
        out: SecretOut,
    },
    /// Change a key; its secret stays
    Set {
        /// Access key id
        access_key: String,
        /// For people
        #[arg(long)]
        description: Option<String>,
        /// What it may do where, instead of what it might before: `bucket:rwm`; a bucket may end in `*`
        #[arg(long = "allow", value_name = "BUCKET:RIGHTS")]
        allow: Vec<String>,
        /// It cannot be used
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// It can be used again
        #[arg(long)]
        enable: bool,
    },
    /// Delete a key
    Rm {
        /// Access key id
        access_key: String,
    },
}

#[derive(Serialize)]
struct Shown {
    access_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<String>,
}

pub(super) async fn run(remote: &Remote, args: KeysArgs, output: Output) -> Outcome<()> {
    match args.command {
        None => list(remote, output).await,
        Some(KeysCommand::Add { description, allow, out }) => {
            add(remote, description, &allow, &out, output).await
        }
        Some(KeysCommand::Set { access_key, description, allow, disable, enable }) => {
            let rules = allow.iter().map(|text| parse_rule(text)).collect::<Outcome<Vec<_>>>()?;
            let rules = (!rules.is_empty()).then_some(rules);
            let disabled = (disable || enable).then_some(disable);
            if description.is_none() && rules.is_none() && disabled.is_none() {
                let what = "nothing to change: give --description, --allow, --disable or --enable";
                return Err(Failure::usage(what));
            }
            let spec = KeySpec { description, rules, disabled };
            let what = format!("change key {access_key}");
            keys::change(&operator::cluster(remote), &access_key, spec).await.doing(what)?;
            Ok(())
        }
        Some(KeysCommand::Rm { access_key }) => {
            let what = format!("delete key {access_key}");
            keys::delete(&operator::cluster(remote), &access_key).await.doing(what)
        }
    }
}

async fn list(remote: &Remote, output: Output) -> Outcome<()> {
    let views = keys::list(&operator::cluster(remote)).await?;
    output.show(&views, |out| {
        let mut table = Table::new(&["access key", "may", "description"]);
        for view in &views {
            let may = if view.disabled {
                "nothing: disabled".to_owned()
            } else {
                view.rules.iter().map(rule_text).collect::<Vec<_>>().join(" ")
            };
            table.row(vec![view.access_key.clone(), may, view.description.clone()]);
        }
        table.write(out)
    })
}

async fn add(
    remote: &Remote,
    description: String,
    allow: &[String],
    out: &SecretOut,
    output: Output,
) -> Outcome<()> {
    let rules = allow.iter().map(|text| parse_rule(text)).collect::<Outcome<Vec<_>>>()?;
    let spec = KeySpec { description: Some(description), rules: Some(rules), disabled: None };
    let new = keys::draw(spec)?;
    if let Some(path) = &out.secret_file {
        // First the file: a key whose secret nobody has would be useless.
        secrets::write_file(path, &format!("{}\n", new.secret_key))?;
    }
    keys::store(&operator::cluster(remote), &new).await.doing("make a key")?;
    let (access_key, secret_key) = (new.key.access_key, new.secret_key);
    let shown = Shown { access_key, secret_key: out.secret_file.is_none().then_some(secret_key) };
    output.show(&shown, |w| {
        writeln!(w, "access key: {}", shown.access_key)?;
        match (&shown.secret_key, &out.secret_file) {
            (Some(secret), _) => writeln!(w, "secret key: {secret}\nThe secret is not shown again."),
            (None, Some(path)) => writeln!(w, "secret key: in {}", path.display()),
            (None, None) => Ok(()),
        }
    })
}

fn parse_rule(text: &str) -> Outcome<Rule> {
    let complain = || Failure::usage(format!("'{text}': write BUCKET:RIGHTS, rights being letters of rwm"));
    let (bucket, rights) = text.rsplit_once(':').ok_or_else(complain)?;
    if bucket.is_empty() || rights.is_empty() || rights.chars().any(|c| !"rwm".contains(c)) {
        return Err(complain());
    }
    let may = |c| rights.contains(c);
    Ok(Rule { bucket: bucket.to_owned(), read: may('r'), write: may('w'), manage: may('m') })
}

fn rule_text(rule: &Rule) -> String {
    let rights: String = [(rule.read, 'r'), (rule.write, 'w'), (rule.manage, 'm')]
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, letter)| *letter)
        .collect();
    format!("{}:{rights}", rule.bucket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_survive_text() {
        for text in ["*:rwm", "logs-*:w", "a:r"] {
            assert_eq!(rule_text(&parse_rule(text).unwrap()), text);
        }
        for bad in ["a", "a:", ":r", "a:x"] {
            assert!(parse_rule(bad).is_err());
        }
    }
}
