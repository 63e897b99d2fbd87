//! The list of all metrics, `deploy/prometheus/METRICS.md`, against what a process really shows.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

/// A row of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    kind: String,
    labels: BTreeSet<String>,
    place: String,
    /// It may not be there.
    sometimes: bool,
}

impl Row {
    /// It is there only while there is something to tell.
    pub(crate) fn may_be_absent(&self) -> bool {
        self.sometimes
    }
}

/// What is shown of a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    kind: String,
    labels: BTreeSet<String>,
}

/// The list by name.
pub(crate) fn rows(text: &str) -> Result<BTreeMap<String, Row>> {
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`'])).collect();
        let [name, kind, labels, place, meaning] = cells[..] else {
            anyhow::bail!("not five cells: {line}");
        };
        ensure!(!meaning.is_empty(), "{name} means nothing");
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        let (place, sometimes) = match place.strip_suffix(", sometimes") {
            Some(place) => (place, true),
            None => (place, false),
        };
        let row = Row { kind: kind.to_owned(), labels, place: place.to_owned(), sometimes };
        ensure!(found.insert(name.to_owned(), row).is_none(), "{name} is there twice");
    }
    ensure!(found.len() > 150, "hardly any metrics are listed");
    Ok(found)
}

/// The families of a text of `/metrics` with the labels of their samples. A value that is no number is an error.
pub(crate) fn shown(text: &str) -> Result<BTreeMap<String, Shown>> {
    let mut found: BTreeMap<String, Shown> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            found.entry(name.to_owned()).or_default().kind = kind.to_owned();
        }
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').with_context(|| format!("no value: {line}"))?;
        ensure!(value.parse::<f64>().is_ok_and(f64::is_finite), "no number: {line}");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let bare = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(*suffix));
        let name = bare.filter(|bare| found.contains_key(*bare)).unwrap_or(name);
        let family = found.get_mut(name).with_context(|| format!("no type before {line}"))?;
        family.labels.extend(names(labels).into_iter().filter(|label| label != "le"));
    }
    Ok(found)
}

/// The names in `a="x",b="y"}`; values may hold anything.
fn names(labels: &str) -> Vec<String> {
    let (mut found, mut name, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in labels.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '=' => found.push(std::mem::take(&mut name)),
            ',' | '}' => name.clear(),
            c => name.push(c),
        }
    }
    found
}

/// What is shown and is not in the list, or is something else there.
pub(crate) fn undocumented(rows: &BTreeMap<String, Row>, shown: &BTreeMap<String, Shown>) -> Vec<String> {
    let wrong = |(name, seen): (&String, &Shown)| match rows.get(name) {
        None => Some(format!("{name} is not in METRICS.md")),
        Some(row) if row.kind != seen.kind => Some(format!("{name} is a {}, not a {}", seen.kind, row.kind)),
        Some(row) if row.labels != seen.labels => {
            Some(format!("{name} has the labels {:?}, not {:?}", seen.labels, row.labels))
        }
        Some(_) => None,
    };
    shown.iter().filter_map(wrong).collect()
}

/// What the list promises of processes of one kind (mounts, or nodes) and none of these texts shows.
pub(crate) fn missing<'r>(
    rows: &'r BTreeMap<String, Row>,
    mounts: bool,
    shown: &[BTreeMap<String, Shown>],
) -> Vec<&'r str> {
    let promised =
        |row: &Row| !row.sometimes && if mounts { row.place.contains("mount") } else { row.place != "mount" };
    let absent = |name: &str| shown.iter().all(|one| !one.contains_key(name));
    rows.iter().filter(|(name, row)| promised(row) && absent(name)).map(|(name, _)| name.as_str()).collect()
}

/// What only the leader may show and this text shows.
pub(crate) fn of_the_leader(rows: &BTreeMap<String, Row>, shown: &BTreeMap<String, Shown>) -> Vec<String> {
    let only = |name: &&String| rows.get(*name).is_some_and(|row| row.place == "leader");
    shown.keys().filter(only).cloned().collect()
}

/// Whether the process leads, as it says.
pub(crate) fn leads(text: &str) -> bool {
    text.lines().any(|line| line == "holdfast_meta_leading 1")
}

#[test]
fn the_list_and_texts_are_understood() {
    let text = "# TYPE a_seconds histogram\na_seconds_bucket{op=\"x, y=\\\"}\",le=\"1\"} 2\na_seconds_sum{op=\"x\"} 2\n\
                # TYPE b gauge\nb 1.5\n";
    let seen = shown(text).unwrap();
    assert_eq!(seen["a_seconds"].labels, BTreeSet::from(["op".to_owned()]));
    assert_eq!(seen.len(), 2);
    assert!(shown("# TYPE b gauge\nb NaN\n").is_err());
    assert!(shown("b 1\n").is_err(), "no type");
    let row = |labels: &[&str], place: &str| Row {
        kind: "gauge".into(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        place: place.into(),
        sometimes: false,
    };
    let rows = BTreeMap::from([("b".to_owned(), row(&[], "leader")), ("c".to_owned(), row(&["x"], "nodes"))]);
    assert_eq!(undocumented(&rows, &seen), ["a_seconds is not in METRICS.md"]);
    assert_eq!(missing(&rows, false, std::slice::from_ref(&seen)), ["c"]);
    assert_eq!(of_the_leader(&rows, &seen), ["b"]);
    let other = BTreeMap::from([("b".to_owned(), row(&["disk"], "nodes"))]);
    assert_eq!(undocumented(&other, &seen).len(), 2, "labels differ");
}
