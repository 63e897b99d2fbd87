//! Configuration files: TOML with sizes like `"128MiB"` and durations like `"5s"`, and errors that name the key
//! and the line.
//!
//! What always holds: an unknown key is an error, never ignored (give every struct `deny_unknown_fields`); every
//! setting has a default (give every struct `default`); nothing is half loaded.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The content makes no sense. The text shows the line and the key.
    #[error("configuration {origin} is not valid:\n{message}")]
    Parse {
        /// File or other source.
        origin: String,
        /// Line, column, key, and what is wrong.
        message: String,
    },
}

/// Loads a configuration file.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(&text, &path.display().to_string())
}

/// Reads a configuration from text; `origin` is for the error.
pub fn parse<T: DeserializeOwned>(text: &str, origin: &str) -> Result<T, ConfigError> {
    toml::from_str(text)
        .map_err(|error| ConfigError::Parse { origin: origin.to_owned(), message: error.to_string() })
}

/// A number of bytes, written as `4096`, `"4KiB"`, `"128MiB"`, `"1.5GiB"`, `"1TB"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

/// A length of time, written as `"250ms"`, `"5s"`, `"10m"`, `"2h"`, `"30d"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub Duration);

const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("T", 1 << 40),
];

/// Units of time, in microseconds.
const PERIOD_UNITS: &[(&str, u64)] = &[
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("min", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

/// Splits "1.5 GiB" into its number, in thousandths, and its unit's factor.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (text.get(..at)?, text.get(at..)?.trim());
    let factor = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.len() > 3 || (number.contains('.') && part.is_empty()) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let thousandths: u64 = if part.is_empty() { 0 } else { format!("{part:0<3}").parse().ok()? };
    let fraction = u128::from(factor) * u128::from(thousandths) / 1000;
    whole.checked_mul(factor)?.checked_add(u64::try_from(fraction).ok()?)
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        scaled(text, SIZE_UNITS).map(Self).ok_or_else(|| {
            format!("{text:?} is not a size; write for example \"4KiB\", \"128MiB\", \"2TiB\"")
        })
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        scaled(text, PERIOD_UNITS).map(|micros| Self(Duration::from_micros(micros))).ok_or_else(|| {
            format!("{text:?} is not a length of time; write for example \"250ms\", \"5s\", \"10m\"")
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, factor) in
            [("PiB", 1u64 << 50), ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        {
            if self.0 >= factor && self.0.is_multiple_of(factor) {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        for (unit, factor) in [
            ("d", 86_400_000_000u128),
            ("h", 3_600_000_000),
            ("m", 60_000_000),
            ("s", 1_000_000),
            ("ms", 1_000),
        ] {
            if micros >= factor && micros.is_multiple_of(factor) {
                return write!(f, "{}{unit}", micros / factor);
            }
        }
        write!(f, "{micros}us")
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;

        impl Visitor<'_> for SizeVisitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as 4096 or \"128MiB\"")
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Size, E> {
                u64::try_from(value).map(Size).map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Size, E> {
                Ok(Size(value))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Size, E> {
                value.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(SizeVisitor)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A bare number would leave the unit to guessing.
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl From<Period> for Duration {
    fn from(period: Period) -> Self {
        period.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize, Serialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        cache: Size,
        wait: Period,
        nested: Nested,
    }

    #[derive(Debug, Default, Deserialize, Serialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Nested {
        port: u16,
    }

    #[test]
    fn sizes_and_times() {
        let size = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("128MiB"), Ok(128 << 20));
        assert_eq!(size("1.5 gib"), Ok(3 << 29));
        assert_eq!(size("1TB"), Ok(1_000_000_000_000));
        for bad in ["", "MiB", "1.MiB", "-1", "1.2345G", "12 parsecs", "99999999999TiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        let period = |text: &str| text.parse::<Period>().map(|period| period.0);
        assert_eq!(period("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(period("1.5h"), Ok(Duration::from_secs(5400)));
        assert!(period("5").is_err(), "a unit is needed");
    }

    #[test]
    fn loads_and_writes_back() {
        let text = "cache = \"128MiB\"\nwait = \"5s\"\n[nested]\nport = 80\n";
        let sample: Sample = parse(text, "test").unwrap();
        assert_eq!(
            sample,
            Sample {
                cache: Size(128 << 20),
                wait: Period(Duration::from_secs(5)),
                nested: Nested { port: 80 }
            }
        );
        assert_eq!(toml::to_string(&sample).unwrap().replace("\n\n", "\n"), text);
        assert_eq!(parse::<Sample>("cache = 5", "test").unwrap().cache, Size(5));
    }

    #[test]
    fn errors_name_key_and_line() {
        let message = |text: &str| parse::<Sample>(text, "node.toml").unwrap_err().to_string();
        let unknown = message("cache = 1\n[nested]\nprot = 80\n");
        assert!(
            unknown.contains("node.toml") && unknown.contains("line 3") && unknown.contains("prot"),
            "{unknown}"
        );
        let wrong = message("cache = 1\nwait = \"soon\"\n");
        assert!(wrong.contains("line 2") && wrong.contains("soon"), "{wrong}");
        assert!(message("cache = -1").contains("line 1"));
        let missing = load::<Sample>(Path::new("/nonexistent/x.toml")).unwrap_err().to_string();
        assert!(missing.contains("/nonexistent/x.toml"), "{missing}");
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_can_be_read(bytes: u64, micros in 0u64..u64::MAX / 2) {
            proptest::prop_assert_eq!(Size(bytes).to_string().parse::<Size>(), Ok(Size(bytes)));
            let period = Period(Duration::from_micros(micros));
            proptest::prop_assert_eq!(period.to_string().parse::<Period>(), Ok(period));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            drop(text.parse::<Size>());
            drop(parse::<Sample>(&text, "fuzz"));
        }
    }
}
