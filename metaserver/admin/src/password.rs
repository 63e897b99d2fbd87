//! Passwords and other secrets: argon2id for what people choose, BLAKE3 for what is random and long.
//!
//! What always holds: at most [`AT_ONCE`] passwords are hashed at a time, each on a thread that nothing else waits for, so
//! that whoever tries many cannot take a node's memory or cores.

use std::sync::LazyLock;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use bytes::Bytes;
use rand::distr::{Alphanumeric, SampleString};
use tokio::sync::Semaphore;

use crate::error::Problem;

/// Passwords hashed at the same time.
const AT_ONCE: usize = 2;
/// How long one waits for its turn.
const TURN: Duration = Duration::from_secs(5);
/// Shortest and longest password, in characters.
const LENGTH: (usize, usize) = (12, 256);

/// The parameters that OWASP's cheat sheet on password storage recommends for argon2id: 19 MiB, two passes.
fn argon() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(AT_ONCE));

/// Says what is wrong with a password that somebody chooses.
pub fn check(account: &str, password: &str) -> Result<(), Problem> {
    let (least, most) = LENGTH;
    let weak = |why: String| Err(Problem::unfit(why).with("field", "password"));
    if !(least..=most).contains(&password.chars().count()) {
        return weak(format!("a password has from {least} to {most} characters"));
    }
    if password.to_lowercase().contains(account) && account.len() > 3 {
        return weak("a password must not contain the account's name".to_owned());
    }
    let first = password.chars().next();
    if password.chars().all(|c| Some(c) == first) {
        return weak("a password must not be one character repeated".to_owned());
    }
    Ok(())
}

/// Hashes a password. Takes tens of milliseconds.
pub fn hash(password: &str) -> Result<String, Problem> {
    argon()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| Problem::internal(format!("hash a password: {error}")))
}

/// As [`hash`], off the async threads, when it is its turn.
pub(crate) async fn hash_in_turn(password: String) -> Result<String, Problem> {
    in_turn(move || hash(&password)).await?
}

/// Whether it is the password of the hash. Without a hash as much is computed, and the answer is no: nobody learns from the
/// time it takes which accounts there are.
pub(crate) async fn fits(password: String, hash: Option<String>) -> Result<bool, Problem> {
    static NOBODYS: LazyLock<String> = LazyLock::new(|| self::hash("nobody knows this").unwrap_or_default());
    in_turn(move || {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODYS.clone());
        let fits = PasswordHash::new(&hash)
            .is_ok_and(|hash| argon().verify_password(password.as_bytes(), &hash).is_ok());
        fits && known
    })
    .await
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let busy = || {
        let what = "many are logging in at the same time; try again in a moment";
        Problem::new(http::StatusCode::SERVICE_UNAVAILABLE, "busy", what).later(Duration::from_secs(1))
    };
    let turn = tokio::time::timeout(TURN, TURNS.acquire()).await.map_err(|_| busy())?;
    let _turn = turn.map_err(|_| busy())?;
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal("hashing did not finish"))
}

/// A random secret: 40 letters and digits, 238 bits.
pub fn secret() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 40)
}

/// A random password that people can type: 20 letters and digits without those that look alike, 115 bits.
pub fn generated() -> String {
    use rand::seq::IndexedRandom;
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut rng = rand::rng();
    (0..20).filter_map(|_| LETTERS.choose(&mut rng).copied().map(char::from)).collect()
}

/// What the cluster keeps of a random secret.
pub fn digest(secret: &str) -> Bytes {
    Bytes::copy_from_slice(blake3::hash(secret.as_bytes()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_fits_and_no_other() {
        let hash = hash("correct horse battery").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(fits("correct horse battery".into(), Some(hash.clone())).await.unwrap());
        assert!(!fits("correct horse batterz".into(), Some(hash)).await.unwrap());
        assert!(!fits("nobody knows this".into(), None).await.unwrap());
        assert!(!fits("x".into(), Some("nonsense".into())).await.unwrap());
    }

    #[test]
    fn weak_passwords_are_refused() {
        assert!(check("root", "correct horse").is_ok());
        for weak in ["short", "my-operator-1", "aaaaaaaaaaaaaa", &"x y".repeat(100)] {
            assert!(check("operator", weak).is_err(), "{weak}");
        }
        assert!(check("admin", &generated()).is_ok());
    }
}
