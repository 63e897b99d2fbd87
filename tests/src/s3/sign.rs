//! Signature Version 4 over headers.

use anyhow::{Context, Result};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::macros::format_description;

/// Access key and secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// Access key id.
    pub access_key: String,
    /// Secret.
    pub secret_key: String,
    /// Region that requests are signed for.
    #[serde(default = "region")]
    pub region: String,
}

fn region() -> String {
    "us-east-1".to_owned()
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.access_key)
    }
}

/// What of a request is signed.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// Encoded path.
    pub(super) path: &'a str,
    /// Encoded names and values.
    pub(super) query: &'a [(String, String)],
    pub(super) host: &'a str,
    /// Further headers, names in lower case.
    pub(super) headers: &'a [(String, String)],
    /// SHA-256 of the body in hex, or `UNSIGNED-PAYLOAD`.
    pub(super) payload: &'a str,
}

/// The headers that prove who asks: `x-amz-date`, `x-amz-content-sha256`, `authorization`.
pub(super) fn headers(request: &Signed<'_>, credentials: &Credentials) -> Result<Vec<(String, String)>> {
    sign(request, credentials, &stamp(OffsetDateTime::now_utc())?)
}

/// A time as signatures have it.
pub(super) fn stamp(time: OffsetDateTime) -> Result<String> {
    time.format(format_description!("[year][month][day]T[hour][minute][second]Z")).context("format the time")
}

/// What a signature is good for.
pub(super) fn scope(credentials: &Credentials, at: &str) -> String {
    format!("{}/{}/s3/aws4_request", &at[..8], credentials.region)
}

/// The signature of a text.
pub(super) fn seal(text: &str, credentials: &Credentials, at: &str) -> Result<String> {
    let mut key = format!("AWS4{}", credentials.secret_key).into_bytes();
    for part in [&at[..8], &credentials.region, "s3", "aws4_request"] {
        key = mac(&key, part)?;
    }
    Ok(hex::encode(mac(&key, text)?))
}

/// As [`headers`], at another time.
pub(super) fn sign(
    request: &Signed<'_>,
    credentials: &Credentials,
    at: &str,
) -> Result<Vec<(String, String)>> {
    let mut own = vec![
        ("x-amz-content-sha256".to_owned(), request.payload.to_owned()),
        ("x-amz-date".to_owned(), at.to_owned()),
    ];
    let mut all = vec![("host".to_owned(), request.host.to_owned())];
    all.extend(request.headers.iter().cloned());
    all.extend(own.iter().cloned());
    all.sort();
    let names = all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let lines: String = all.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let mut query = request.query.to_vec();
    query.sort();
    let query = query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let canonical =
        format!("{}\n{}\n{query}\n{lines}\n{names}\n{}", request.method, request.path, request.payload);
    let scope = scope(credentials, at);
    let digest = hex::encode(Sha256::digest(canonical));
    let signature = seal(&format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}"), credentials, at)?;
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.access_key
    );
    own.push(("authorization".to_owned(), authorization));
    Ok(own)
}

fn mac(key: &[u8], text: &str) -> Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).context("key of an HMAC")?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The "GET Object" example of Amazon's documentation of Signature Version 4.
    #[test]
    fn the_documented_example() {
        let credentials = Credentials {
            access_key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            region: "us-east-1".into(),
        };
        let request = Signed {
            method: "GET",
            path: "/test.txt",
            query: &[],
            host: "examplebucket.s3.amazonaws.com",
            headers: &[("range".into(), "bytes=0-9".into())],
            payload: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        };
        let headers = sign(&request, &credentials, "20130524T000000Z").unwrap();
        let authorization = &headers.last().unwrap().1;
        assert!(
            authorization.ends_with("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            "{authorization}"
        );
    }
}
