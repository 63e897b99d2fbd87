//! `mount.holdfast`: the name under which mount(8) calls this program for a line of fstab(5).
//!
//! ```text
//! meta-1:7400,meta-2:7400:/bucket/dir  /srv/files  holdfast  _netdev,io_timeout=120  0 0
//! ```
//!
//! What always holds: an option that is not known is an error, not ignored; only those that are mount(8)'s own are
//! passed over.

use std::ffi::OsString;
use std::path::Path;

use crate::failure::{Failure, Outcome};

/// The name.
const NAME: &str = "mount.holdfast";

/// Options of mount(8), the kernel or systemd that say nothing to us.
const OTHERS: [&str; 16] = [
    "rw",
    "defaults",
    "auto",
    "noauto",
    "nofail",
    "_netdev",
    "user",
    "nouser",
    "users",
    "owner",
    "group",
    "async",
    "suid",
    "dev",
    "exec",
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

fn translate(given: &[OsString]) -> Outcome<Vec<OsString>> {
    let text = |arg: &OsString| {
        let text = arg.to_str().map(str::to_owned);
        text.ok_or_else(|| Failure::usage(format!("{} is not in UTF-8", arg.to_string_lossy())))
    };
    let (mut places, mut flags) = (Vec::new(), Vec::new());
    let mut rest = given.iter().skip(1);
    while let Some(arg) = rest.next() {
        match text(arg)?.as_str() {
            "-o" => {
                let list = rest.next().ok_or_else(|| Failure::usage("-o needs options"))?;
                for option in text(list)?.split(',').filter(|option| !option.is_empty()) {
                    flags.extend(flag(option)?);
                }
            }
            // Verbose, sloppy, no mtab, fake.
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
    line.extend(flags);
    line.extend([format!("/{path}"), target.clone()]);
    Ok(line.into_iter().map(OsString::from).collect())
}

fn flag(option: &str) -> Outcome<Vec<String>> {
    if OTHERS.contains(&option) || option.starts_with("x-") || option.starts_with("comment=") {
        return Ok(Vec::new());
    }
    match option {
        "ro" => return Ok(vec!["--read-only".to_owned()]),
        "noatime" => return Ok(vec!["--atime=never".to_owned()]),
        "relatime" => return Ok(vec!["--atime=relative".to_owned()]),
        "nosuid" | "nodev" => return Ok(vec!["--untrusted".to_owned()]),
        _ => {}
    }
    let known = option.split_once('=').and_then(|(name, value)| {
        let (_, flag) = VALUES.iter().find(|(known, _)| *known == name)?;
        Some(vec![(*flag).to_owned(), value.to_owned()])
    });
    known.ok_or_else(|| Failure::usage(format!("{NAME}: the option '{option}' is not known")))
}

#[cfg(test)]
mod tests {
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
        let wanted =
            "holdfast --cluster a:1,b:2 mount --read-only --atime=relative --io-timeout 9 /x/y /mnt/z";
        assert_eq!(line(&given).unwrap(), wanted);
        for wrong in [
            &["mount.holdfast", "a:1:/x", "/mnt", "-o", "bogus"][..],
            &["mount.holdfast", "a:1", "/mnt"],
            &["mount.holdfast", "a:1:/x"],
            &["holdfast", "mount", "/x", "/mnt"],
        ] {
            assert!(line(wrong).is_err(), "{wrong:?}");
        }
    }
}
