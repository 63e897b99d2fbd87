//! Keys, secrets and tokens: drawn from the system's random numbers, kept in files that only their owner reads.
//!
//! What always holds: a secret is never logged and never an argument of a command.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use bytes::Bytes;

use crate::failure::{Failure, Outcome};

const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 20 letters and digits, as S3 clients expect.
pub(crate) fn access_key() -> String {
    format!("HF{}", text(UPPER, 18))
}

/// 40 characters, 240 bits.
pub(crate) fn secret_key() -> String {
    text(MIXED, 40)
}

/// 32 characters, 192 bits.
pub(crate) fn join_token() -> String {
    text(MIXED, 32)
}

/// What the cluster keeps of a token.
pub(crate) fn token_digest(token: &str) -> Bytes {
    Bytes::copy_from_slice(blake3::hash(token.as_bytes()).as_bytes())
}

/// `alphabet` has 32 or 64 characters, so a random byte's low bits choose evenly.
fn text(alphabet: &[u8], length: usize) -> String {
    let mut bytes = vec![0u8; length];
    rand::fill(bytes.as_mut_slice());
    bytes.iter().map(|b| char::from(alphabet[usize::from(*b) % alphabet.len()])).collect()
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
