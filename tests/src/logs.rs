//! Reads the logs of the processes under test: a line of level ERROR or a panic that nobody announced fails the
//! test.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// Lines that a test expects, as parts of their text.
#[derive(Clone, Debug, Default)]
pub struct Announced(Vec<String>);

impl Announced {
    /// Nothing is expected.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Lines with this text in them are expected.
    pub fn and(mut self, part: &str) -> Self {
        self.0.push(part.to_owned());
        self
    }

    fn covers(&self, line: &str) -> bool {
        self.0.iter().any(|part| line.contains(part.as_str()))
    }
}

/// Unannounced errors and panics in one log.
pub fn alarms(text: &str, announced: &Announced) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if !is_alarm(line) || announced.covers(line) {
            continue;
        }
        let mut alarm = line.to_owned();
        if line.contains("panicked at")
            && let Some(reason) = lines.peek()
        {
            alarm = format!("{alarm} {reason}");
        }
        found.push(alarm);
    }
    found
}

fn is_alarm(line: &str) -> bool {
    line.contains("panicked at")
        || line.contains("\"level\":\"ERROR\"")
        || line.split_whitespace().take(3).any(|word| word == "ERROR")
}

/// Fails when one of these logs has an alarm.
pub fn check<'a>(logs: impl Iterator<Item = &'a Path>, announced: &Announced) -> Result<()> {
    let mut all = Vec::new();
    for log in logs {
        let bytes = std::fs::read(log).with_context(|| format!("read {}", log.display()))?;
        let text = String::from_utf8_lossy(&bytes);
        all.extend(alarms(&text, announced).into_iter().map(|alarm| format!("{}: {alarm}", log.display())));
    }
    if !all.is_empty() {
        let count = all.len();
        all.truncate(20);
        bail!("{count} unannounced errors in the logs:\n{}", all.join("\n"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_panics_are_alarms_unless_announced() {
        let log = "2026-11-21T08:00:00Z  INFO x: an ERROR was expected here\n\
                   2026-11-21T08:00:00Z ERROR x: disk failed\n\
                   {\"level\":\"ERROR\",\"message\":\"other\"}\n\
                   thread 'main' panicked at src/x.rs:1:1:\nbecause";
        assert_eq!(alarms(log, &Announced::nothing()).len(), 3);
        let left = alarms(log, &Announced::nothing().and("disk failed").and("other"));
        assert_eq!(left, ["thread 'main' panicked at src/x.rs:1:1: because"]);
    }
}
