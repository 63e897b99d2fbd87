//! `mount.holdfast`: the name under which mount(8) calls this program for a line of fstab(5).
//!
//! ```text
//! meta-1:7400,meta-2:7400:/bucket/dir  /srv/files  holdfast  _netdev,io_timeout=120  0 0
//! ```
//!
//! What always holds: an option that is not known is an error, not ignored; only those that are mount(8)'s own, or say
//! what is so anyway, are passed over. As for other file systems, the last of two that contradict each other holds.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use crate::failure::{Failure, Outcome};

/// The name.
const NAME: &str = "mount.holdfast";

/// Options of mount(8), the kernel or systemd that say nothing to us, or what holds anyway (names are always synced).
const OTHERS: [&str; 15] = [
    "defaults",
    "auto",
    "noauto",
    "nofail",
    "_netdev",
    "user",
    "nouser",
    "users",
    "nousers",
    "owner",
    "noowner",
    "group",
    "nogroup",
    "dirsync",
    "allow_other",
];

/// Options with a value, and our flags for them.
const VALUES: [(&str, &str); 8] = [
    ("io_timeout", "--io-timeout"),
    ("attr_ttl", "--attr-ttl"),
    ("dirty_mib", "--dirty-mib"),
    ("cache_dir", "--cache-dir"),
    ("cache_mib", "--cache-mib"),
    ("threads", "--threads"),
    ("log_file", "--log-file"),
    ("metrics_listen", "--metrics-listen"),
];

/// The command line of `holdfast` that a call by mount(8) means; `None`: it is no such call.
pub(crate) fn command_line(given: &[OsString]) -> Option<Outcome<Vec<OsString>>> {
    let name = Path::new(given.first()?).file_name()?;
    (name == NAME).then(|| translate(given))
}

/// What options come to.
#[derive(Default)]
struct Wanted {
    read_only: bool,
    nosuid: bool,
    nodev: bool,
    noexec: bool,
    sync: bool,
    nodiratime: bool,
    relatime: bool,
    trial: bool,
    values: BTreeMap<&'static str, String>,
}

fn translate(given: &[OsString]) -> Outcome<Vec<OsString>> {
    let text = |arg: &OsString| {
        let text = arg.to_str().map(str::to_owned);
        text.ok_or_else(|| Failure::usage(format!("{} is not in UTF-8", arg.to_string_lossy())))
    };
    let (mut places, mut wanted) = (Vec::new(), Wanted::default());
    let mut rest = given.iter().skip(1);
    while let Some(arg) = rest.next() {
        match text(arg)?.as_str() {
            "-o" => {
                let list = rest.next().ok_or_else(|| Failure::usage("-o needs options"))?;
                for option in text(list)?.split(',').filter(|option| !option.is_empty()) {
                    wanted.take(option)?;
                }
            }
            "-f" => wanted.trial = true,
            // Verbose, sloppy, no mtab.
            "-v" | "-s" | "-n" => {}
            "-t" => drop(rest.next()),
            place if !place.starts_with('-') => places.push(place.to_owned()),
            other => return Err(Failure::usage(format!("{NAME}: {other} is not known"))),
        }
    }
    let [source, target] = places.as_slice() else {
        return Err(Failure::usage(format!("{NAME} HOST:PORT,…:/PATH DIRECTORY [-o OPTIONS]")));
    };
    let (cluster, path) = source.split_once(":/").ok_or_else(|| {
        Failure::usage(format!("'{source}' is not HOST:PORT,…:/PATH, such as meta-1:7400:/bucket"))
    })?;
    let mut line: Vec<String> = vec!["holdfast".into(), "--cluster".into(), cluster.into(), "mount".into()];
    line.extend(wanted.flags()?);
    line.extend([format!("--shown-as={source}"), format!("/{path}"), target.clone()]);
    Ok(line.into_iter().map(OsString::from).collect())
}

impl Wanted {
    fn take(&mut self, option: &str) -> Outcome<()> {
        let why = match option {
            "ro" | "rw" => return set(&mut self.read_only, option == "ro"),
            "nosuid" | "suid" => return set(&mut self.nosuid, option == "nosuid"),
            "nodev" | "dev" => return set(&mut self.nodev, option == "nodev"),
            "noexec" | "exec" => return set(&mut self.noexec, option == "noexec"),
            "sync" | "async" => return set(&mut self.sync, option == "sync"),
            "noatime" | "relatime" => return set(&mut self.relatime, option == "relatime"),
            "nodiratime" | "diratime" => return set(&mut self.nodiratime, option == "nodiratime"),
            "strictatime" => "access times change as with relatime, or not at all",
            "remount" => "what is mounted stays as it is; unmount it and mount it anew",
            _ => return self.take_other(option),
        };
        Err(Failure::usage(format!("{NAME}: '{option}' is not possible: {why}")))
    }

    fn take_other(&mut self, option: &str) -> Outcome<()> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        // Who mounts, where users may.
        let others = OTHERS.contains(&option) || matches!(name, "comment" | "user");
        if others || option.starts_with("x-") || option.starts_with("X-") {
            return Ok(());
        }
        let known = VALUES.iter().find(|(known, _)| *known == name && option.contains('='));
        let (_, flag) =
            known.ok_or_else(|| Failure::usage(format!("{NAME}: the option '{option}' is not known")))?;
        self.values.insert(flag, value.to_owned());
        Ok(())
    }

    fn flags(self) -> Outcome<Vec<String>> {
        if self.nodiratime && self.relatime {
            let why = "times of directories move with those of files: nodiratime goes without relatime only";
            return Err(Failure::usage(format!("{NAME}: {why}")));
        }
        let switches = [
            (self.read_only, "--read-only"),
            (self.nosuid || self.nodev, "--untrusted"),
            (self.noexec, "--no-exec"),
            (self.sync, "--sync"),
            (self.relatime, "--atime=relative"),
            (self.trial, "--trial"),
        ];
        let on = switches.iter().filter(|(on, _)| *on).map(|(_, flag)| (*flag).to_owned());
        let values = self.values.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        Ok(on.chain(values).collect())
    }
}

fn set(what: &mut bool, value: bool) -> Outcome<()> {
    *what = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn line(args: &[&str]) -> Outcome<String> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let line = command_line(&args).unwrap_or_else(|| Err(Failure::usage("no such call")))?;
        Ok(line.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_line_of_fstab_becomes_a_command() {
        let given =
            ["/sbin/mount.holdfast", "a:1,b:2:/x/y", "/mnt/z", "-o", "rw,_netdev,ro,relatime,io_timeout=9"];
        let wanted = "holdfast --cluster a:1,b:2 mount --read-only --atime=relative --io-timeout 9 \
                      --shown-as=a:1,b:2:/x/y /x/y /mnt/z";
        assert_eq!(line(&given).unwrap(), wanted);
        for wrong in [
            &["mount.holdfast", "a:1:/x", "/mnt", "-o", "bogus"][..],
            &["mount.holdfast", "a:1:/x", "/mnt", "-o", "io_timeout"],
            &["mount.holdfast", "a:1:/x", "/mnt", "-o", "nodiratime,relatime"],
            &["mount.holdfast", "a:1:/x", "/mnt", "-x"],
            &["mount.holdfast", "a:1", "/mnt"],
            &["mount.holdfast", "a:1:/x"],
            &["holdfast", "mount", "/x", "/mnt"],
        ] {
            assert!(line(wrong).is_err(), "{wrong:?}");
        }
    }

    /// The flags that options mean, as the command line takes them.
    fn flags(options: &str) -> String {
        let line = line(&["mount.holdfast", "a:1:/x", "/mnt", "-o", options]).unwrap();
        let parsed = crate::args::Cli::try_parse_from(line.split(' '));
        assert!(parsed.is_ok(), "{options}: {line}");
        let (_, flags) = line.split_once("mount ").unwrap();
        flags.split_once("--shown-as").unwrap().0.trim().to_owned()
    }

    #[test]
    fn options_that_belong_together_or_contradict_each_other_are_understood() {
        for (options, wanted) in [
            ("rw,nosuid,nodev", "--untrusted"),
            ("rw,noexec,nosuid,nodev,user=somebody", "--untrusted --no-exec"),
            ("users,noexec,nosuid,nodev,exec", "--untrusted"),
            ("nosuid,nodev,suid,dev", ""),
            ("ro,rw,sync,dirsync,noatime,nodiratime", "--sync"),
            ("relatime,relatime,ro,ro", "--read-only --atime=relative"),
            ("relatime,noatime,sync,async", ""),
            ("io_timeout=9,io_timeout=8,threads=4,x-systemd.after=y", "--io-timeout 8 --threads 4"),
        ] {
            assert_eq!(flags(options), wanted, "{options}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        for (options, word) in
            [("remount,ro", "mount it anew"), ("strictatime", "relatime"), ("bogus", "'bogus'")]
        {
            let refusal = line(&["mount.holdfast", "a:1:/x", "/mnt", "-o", options]).unwrap_err().to_string();
            assert!(refusal.contains(word), "{refusal}");
        }
        let fake = line(&["mount.holdfast", "a:1:/x", "/mnt", "-f", "-v", "-o", "rw"]).unwrap();
        assert!(fake.contains("--trial"), "{fake}");
    }
}
