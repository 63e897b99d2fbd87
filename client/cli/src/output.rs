//! How results are shown: a table for people, JSON for programs.
//!
//! What always holds: results go to standard output, everything else (progress, warnings, errors) to standard
//! error, so that output can be piped. Sizes in tables are rounded for people; JSON has plain bytes.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Outcome;

/// Where and how to show results.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// JSON instead of tables.
    pub(crate) json: bool,
}

impl Output {
    /// Shows one value: as JSON, or what `human` prints.
    pub(crate) fn show<T: Serialize>(
        self,
        value: &T,
        human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Outcome<()> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            serde_json::to_writer_pretty(&mut out, value)?;
            writeln!(out)?;
        } else {
            human(&mut out)?;
        }
        out.flush()?;
        Ok(())
    }

    /// One line of a stream: a JSON object per line, or plain text.
    pub(crate) fn line<T: Serialize>(self, out: &mut impl Write, value: &T, human: &str) -> Outcome<()> {
        if self.json {
            serde_json::to_writer(&mut *out, value)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{human}")?;
        }
        Ok(())
    }
}

/// Whether standard error is a terminal, so that progress may be drawn.
pub(crate) fn interactive() -> bool {
    io::stderr().is_terminal()
}

/// A warning about one item of many.
pub(crate) fn warn(message: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "holdfast: {message}");
}

/// Columns that line up. Numbers to the right, text to the left; the last column is not padded.
pub(crate) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A head that starts with `>` is a column of numbers.
    pub(crate) fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let heads: Vec<String> = self.heads.iter().map(|h| h.trim_start_matches('>').to_owned()).collect();
        let mut widths: Vec<usize> = heads.iter().map(|h| width(h)).collect();
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                widths[column] = widths[column].max(width(cell));
            }
        }
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let pad = " ".repeat(widths[column].saturating_sub(width(cell)));
                let last = column + 1 == row.len();
                match (self.heads[column].starts_with('>'), last) {
                    (true, _) => line.extend([pad.as_str(), cell]),
                    (false, true) => line.push_str(cell),
                    (false, false) => line.extend([cell.as_str(), &pad]),
                }
                if !last {
                    line.push_str("  ");
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Columns a text takes on a terminal; wide characters are counted as one, which is good enough here.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `3m 20s`, for how long something has lasted.
pub(crate) fn span_ms(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms}ms"),
        1..=99 => format!("{}.{}s", seconds, ms % 1000 / 100),
        100..=5999 => format!("{}m {}s", seconds / 60, seconds % 60),
        6000..=172_799 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A time of the admin API (`2026-11-21T08:15:00.123Z`) for people: `2026-11-21 08:15:00`.
pub(crate) fn moment(text: &str) -> String {
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => text.to_owned(),
    }
}

/// `2026-11-21 08:15:00`, UTC.
pub(crate) fn time_ns(ns: i64) -> String {
    let seconds = ns.div_euclid(1_000_000_000);
    let days = seconds.div_euclid(86_400);
    let rest = seconds.rem_euclid(86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Year, month and day of a day counted from 1970-01-01 in the proleptic Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years counted from March, so that the leap day is the last of its year; 719,468 days from 0000-03-01.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// `drwxr-xr-x`.
pub(crate) fn mode(kind: holdfast_proto::inode::FileKind, mode: u32) -> String {
    use holdfast_proto::inode::FileKind as K;
    let mut text = String::with_capacity(10);
    text.push(match kind {
        K::File => '-',
        K::Directory => 'd',
        K::Symlink => 'l',
        K::Fifo => 'p',
        K::Socket => 's',
        K::CharDevice => 'c',
        K::BlockDevice => 'b',
    });
    for (shift, special, set, unset) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, false) => 'x',
            (false, false) => '-',
            (true, true) => set,
            (false, true) => unset,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(1 << 30), "1.0 GiB");
        assert_eq!(size((1 << 30) - 1), "1.0 GiB");
    }

    #[test]
    fn times_and_spans() {
        assert_eq!(time_ns(0), "1970-01-01 00:00:00");
        assert_eq!(time_ns(951_782_400_000_000_000), "2000-02-29 00:00:00");
        assert_eq!(time_ns(-1), "1969-12-31 23:59:59");
        assert_eq!(moment("2026-11-23T16:00:00.123Z"), "2026-11-23 16:00:00");
        assert_eq!(span_ms(250), "250ms");
        assert_eq!(span_ms(3_250), "3.2s");
        assert_eq!(span_ms(200_000), "3m 20s");
    }

    #[test]
    fn modes() {
        use holdfast_proto::inode::FileKind as K;
        assert_eq!(mode(K::Directory, 0o1777), "drwxrwxrwt");
        assert_eq!(mode(K::File, 0o4755), "-rwsr-xr-x");
        assert_eq!(mode(K::Symlink, 0o640), "lrw-r-----");
    }

    #[test]
    fn a_table_lines_up() {
        let mut table = Table::new(&["name", ">size"]);
        table.row(vec!["a".into(), "10".into()]);
        table.row(vec!["long".into(), "9".into()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "name  size\na       10\nlong     9\n");
    }
}
