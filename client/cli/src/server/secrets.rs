//! Keys, secrets and tokens: random letters and digits, kept in files that only their owner reads.
//!
//! What always holds: a secret is never logged and never an argument of a command of ours. It has no other
//! characters than letters and digits: people do pass it to other tools' commands, where a leading `-` is an
//! option, and in addresses, where `+` and `/` are not themselves.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use bytes::Bytes;
use rand::distr::{Alphanumeric, SampleString};
use rand::seq::IndexedRandom;

use crate::failure::{Failure, Outcome};

const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// 20 letters and digits, as S3 clients expect.
pub(crate) fn access_key() -> String {
    let mut rng = rand::rng();
    let drawn = (0..18).filter_map(|_| UPPER.choose(&mut rng).copied().map(char::from));
    "HF".chars().chain(drawn).collect()
}

/// 40 characters, 238 bits.
pub(crate) fn secret_key() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 40)
}

/// 32 characters, 190 bits.
pub(crate) fn join_token() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 32)
}

/// What the cluster keeps of a token.
pub(crate) fn token_digest(token: &str) -> Bytes {
    Bytes::copy_from_slice(blake3::hash(token.as_bytes()).as_bytes())
}

/// Writes a secret into a new file; one that exists is not overwritten.
pub(crate) fn write_file(path: &Path, content: &str) -> Outcome<()> {
    let complain =
        |error: std::io::Error| Failure::failed(format!("cannot write {}: {error}", path.display()));
    let mut file =
        std::fs::File::options().write(true).create_new(true).mode(0o600).open(path).map_err(complain)?;
    file.write_all(content.as_bytes()).map_err(complain)?;
    file.sync_all().map_err(complain)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_differ_and_fit() {
        assert_eq!(access_key().len(), 20);
        assert_eq!(secret_key().len(), 40);
        assert_ne!(secret_key(), secret_key());
        for secret in (0..200).flat_map(|_| [secret_key(), join_token(), access_key()]) {
            assert!(secret.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{secret}");
        }
        assert_eq!(token_digest("x").len(), 32);
    }

    #[test]
    fn a_secret_file_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        write_file(&path, "secret").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_file(&path, "other").is_err());
    }
}
