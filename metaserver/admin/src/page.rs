//! Pages: what fits, and where the next one starts.

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::Problem;

/// A page of something.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Give this as `after` to get the next page; `null`: there is none.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Everything on one page.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// Most things on a page.
pub(crate) const MOST: u32 = 1000;
const USUAL: u32 = 100;

/// Which page.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Where {
    /// `next` of the page before.
    #[param(format = "cursor")]
    pub after: Option<String>,
    /// Most things on the page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// The number asked for, within bounds.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked {
        None => Ok(USUAL),
        Some(limit @ 1..=MOST) => Ok(limit),
        Some(_) => Err(Problem::invalid("limit lies between 1 and 1000")),
    }
}

/// Longest marker: a path.
const MOST_MARKER: usize = 8192;

/// As it is written, but reading does not look at the bits that the last letter has too many.
const MARKERS: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A marker has the right form, but no page gave it.
pub(crate) fn no_page() -> Problem {
    Problem::not_found("after is not what an earlier page gave as next").with("field", "after")
}

/// A marker made of bytes, as text.
pub(crate) fn marker(bytes: &[u8]) -> String {
    MARKERS.encode(bytes)
}

/// The bytes of a marker.
pub(crate) fn unmarked(text: Option<&str>) -> Result<bytes::Bytes, Problem> {
    let Some(text) = text else { return Ok(bytes::Bytes::new()) };
    let bytes = MARKERS.decode(text).ok().filter(|bytes| bytes.len() <= MOST_MARKER);
    bytes.map(Into::into).ok_or_else(no_page)
}

/// The number that a marker stands for.
pub(crate) fn number<T: std::str::FromStr + Default>(text: Option<&str>) -> Result<T, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(T::default()) };
    text.parse().map_err(|_| no_page())
}
