//! A byte budget: how much payload a process may hold at once. Whoever takes payload into memory takes a permit
//! first and keeps it with the bytes; beyond the budget the answer is Busy, or a wait with a deadline.
//!
//! What always holds: permits out never exceed the limit. One request larger than the whole limit counts as the
//! limit, so that it can still be served, alone. At most [`MAX_WAITERS`] wait; the next one is refused at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Most callers that wait for one budget.
pub const MAX_WAITERS: usize = 4096;

/// Why a permit was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// Used up, and nobody may wait (any more).
    #[error("the byte budget is used up")]
    Busy,
    /// Used up until the deadline.
    #[error("the byte budget was used up until the deadline")]
    TimedOut,
}

/// A number of bytes that may be held at once. Cheap to clone; clones share the limit.
#[derive(Clone, Debug)]
pub struct ByteBudget {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limit: u32,
    free: Arc<Semaphore>,
    waiters: AtomicUsize,
}

/// A share of a [`ByteBudget`], given back when dropped.
#[derive(Debug)]
pub struct BytePermit {
    permit: Option<OwnedSemaphorePermit>,
}

impl ByteBudget {
    /// A budget of `limit` bytes (at least 1, at most 4 GiB - 1).
    pub fn new(limit: u64) -> Self {
        let limit = u32::try_from(limit.max(1)).unwrap_or(u32::MAX);
        let free = Arc::new(Semaphore::new(limit as usize));
        Self { inner: Arc::new(Inner { limit, free, waiters: AtomicUsize::new(0) }) }
    }

    /// Bytes that may be out at once.
    pub fn limit(&self) -> u64 {
        u64::from(self.inner.limit)
    }

    /// Bytes that are out now.
    pub fn in_use(&self) -> u64 {
        self.limit().saturating_sub(self.inner.free.available_permits() as u64)
    }

    /// A permit for `bytes` if it can be had now.
    pub fn try_take(&self, bytes: u64) -> Result<BytePermit, BudgetError> {
        match self.share(bytes) {
            0 => Ok(BytePermit { permit: None }),
            share => match self.inner.free.clone().try_acquire_many_owned(share) {
                Ok(permit) => Ok(BytePermit { permit: Some(permit) }),
                Err(_) => Err(BudgetError::Busy),
            },
        }
    }

    /// A permit for `bytes`, first come first served, no later than `deadline`.
    pub async fn take(&self, bytes: u64, deadline: Instant) -> Result<BytePermit, BudgetError> {
        let share = self.share(bytes);
        if share == 0 {
            return Ok(BytePermit { permit: None });
        }
        let _waiting = Waiting::enter(&self.inner.waiters).ok_or(BudgetError::Busy)?;
        match tokio::time::timeout_at(deadline, self.inner.free.clone().acquire_many_owned(share)).await {
            Ok(Ok(permit)) => Ok(BytePermit { permit: Some(permit) }),
            Ok(Err(_)) => Err(BudgetError::Busy),
            Err(_) => Err(BudgetError::TimedOut),
        }
    }

    fn share(&self, bytes: u64) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.inner.limit)
    }
}

impl BytePermit {
    /// Bytes this permit stands for.
    pub fn bytes(&self) -> u64 {
        self.permit.as_ref().map_or(0, |permit| permit.num_permits() as u64)
    }

    /// Gives back all but `bytes`.
    pub fn shrink(&mut self, bytes: u64) {
        if let Some(permit) = &mut self.permit {
            let surplus = (permit.num_permits() as u64).saturating_sub(bytes);
            drop(permit.split(usize::try_from(surplus).unwrap_or(0)));
        }
    }

    /// Ties this permit to `bytes`: it is given back when the last clone or slice of them is dropped.
    pub fn guard(self, bytes: Bytes) -> Bytes {
        if self.permit.is_none() {
            return bytes;
        }
        Bytes::from_owner(Guarded { bytes, _permit: self })
    }
}

struct Guarded {
    bytes: Bytes,
    _permit: BytePermit,
}

impl AsRef<[u8]> for Guarded {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Counts a waiter for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiters: &'a AtomicUsize) -> Option<Self> {
        if waiters.fetch_add(1, Ordering::Relaxed) >= MAX_WAITERS {
            waiters.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(waiters))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn refuses_beyond_the_limit_and_gives_back_on_drop() {
        let budget = ByteBudget::new(100);
        let mut first = budget.try_take(60).unwrap();
        assert_eq!(budget.try_take(41).unwrap_err(), BudgetError::Busy);
        first.shrink(50);
        let second = budget.try_take(50).unwrap();
        assert_eq!(budget.in_use(), 100);
        drop(first);
        drop(second);
        assert_eq!(budget.in_use(), 0);
    }

    #[test]
    fn a_giant_counts_as_everything() {
        let budget = ByteBudget::new(100);
        let all = budget.try_take(u64::MAX).unwrap();
        assert_eq!(all.bytes(), 100);
        assert!(budget.try_take(1).is_err());
        assert!(budget.try_take(0).is_ok());
    }

    #[test]
    fn the_permit_lives_as_long_as_the_last_slice() {
        let budget = ByteBudget::new(100);
        let bytes = budget.try_take(10).unwrap().guard(Bytes::from_static(b"0123456789"));
        let slice = bytes.slice(2..3);
        drop(bytes);
        assert_eq!(budget.in_use(), 10);
        assert_eq!(&slice[..], b"2");
        drop(slice);
        assert_eq!(budget.in_use(), 0);
    }

    #[tokio::test]
    async fn waits_no_longer_than_the_deadline() {
        let budget = ByteBudget::new(10);
        let held = budget.try_take(10).unwrap();
        let soon = Instant::now() + Duration::from_millis(50);
        assert_eq!(budget.take(1, soon).await.unwrap_err(), BudgetError::TimedOut);
        let waiter = tokio::spawn({
            let budget = budget.clone();
            async move { budget.take(5, Instant::now() + Duration::from_secs(5)).await.map(|p| p.bytes()) }
        });
        drop(held);
        assert_eq!(waiter.await.unwrap(), Ok(5));
    }
}
