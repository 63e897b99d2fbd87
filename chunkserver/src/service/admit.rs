//! Bringing a data directory into service: whose disk is it, may it be used, and what is it called.
//!
//! What always holds:
//! - The superblock with its random fingerprint is durable before the leader hears of the disk, and id and
//!   incarnation are durable before the first byte is served. The leader gives the same fingerprint the same id again.
//! - A disk of another cluster or another node is refused and left as it is.
//! - An empty directory where the map expects a disk is not formatted behind anybody's back: it may be a mount point
//!   whose disk is missing. It is taken once no group counts on the old disk any more, or a person said that it is lost:
//!   to the cluster (`holdfast admin disks replace`), or with a REPLACE file there.
//! - One bad disk does not keep the others from serving.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::cluster::DiskCondition;
use holdfast_proto::ids::{ClusterId, DiskId, Incarnation};
use holdfast_proto::map::{Disk as MapDisk, Standing};
use holdfast_proto::method::AdmitDisk;
use holdfast_proto::op::RegisterDisk;
use holdfast_proto::status::Code;
use tokio::time::Instant;

use super::Inner;
use super::home::{self, DiskHome};
use super::maintain::Maintenance;
use super::retired::{self, Retired};
use super::scrubbing::ScrubDesk;
use super::served::ServedDisk;
use crate::config::DiskConfig;
use crate::disk::real::RealDisk;
use crate::error::OpenError;
use crate::format::superblock::Superblock;
use crate::metrics::Metrics;
use crate::store::{Store, StoreOptions};

/// Wait between two attempts.
const AGAIN: Duration = Duration::from_secs(2);
/// For one call to the leader.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tries until the directory is in service, or known to have failed, or the process stops; says why not whenever the reason
/// changes.
pub(super) async fn bring_into_service(inner: Arc<Inner>, config: DiskConfig) {
    let mut said = String::new();
    while !inner.stopping() {
        match admit(&inner, &config).await {
            Ok(()) => {
                inner.set_pending(&config.path, None);
                return;
            }
            Err(error) => {
                let error = error.to_string();
                if said != error {
                    tracing::warn!(disk = %config.path.display(), error, "the disk is not in service");
                    said.clone_from(&error);
                    inner.set_pending(&config.path, Some(error));
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = inner.stopped() => {}
        }
    }
}

/// One attempt.
pub(super) async fn admit(inner: &Arc<Inner>, config: &DiskConfig) -> Result<(), OpenError> {
    let path = config.path.clone();
    let (home, found) = blocking(move || {
        let home = DiskHome::open(&path)?;
        let found = home.superblock()?;
        Ok((Arc::new(home), found))
    })
    .await?;
    match found {
        // A known disk serves reads as soon as it is open; the leader is told when it can be reached.
        Some(superblock) if superblock.disk != DiskId(0) => {
            check_owner(inner, &home, &superblock)?;
            check_life(inner, &home, &superblock)?;
            open(inner, config, home, superblock).await?;
            tokio::spawn(confirm(inner.clone(), config.clone(), superblock));
            Ok(())
        }
        found => {
            let superblock = register(inner, &home, config, found).await?;
            open(inner, config, home, superblock).await
        }
    }
}

/// Tells the leader that a known disk is back. If the leader knows it as another one, it leaves service again.
async fn confirm(inner: Arc<Inner>, config: DiskConfig, superblock: Superblock) {
    let mut told = false;
    while !inner.stopping() {
        let deadline = Instant::now() + PATIENCE;
        let Some(disk) = inner.disks().into_iter().find(|disk| disk.superblock == superblock) else { return };
        let asked = match (inner.map.refresh(deadline).await, capacity(&config, &disk.home)) {
            (Ok(_), Ok(capacity)) => {
                let request = announcement(&inner, &config, &superblock, capacity);
                let reply = inner.meta.call::<AdmitDisk>(&request, deadline).await;
                let reply = reply.and_then(holdfast_proto::op::Reply::into_result);
                if let Err(status) = &reply
                    && status.kind() == Code::WrongDisk
                    && !std::mem::replace(&mut told, true)
                {
                    let path = config.path.display();
                    tracing::error!(%path, %status, "the disk is back, but the cluster has given it up");
                }
                reply.ok()
            }
            _ => None,
        };
        let foreign = check_owner(&inner, &disk.home, &superblock).err();
        let renamed = asked.as_ref().filter(|reply| {
            reply.id != u64::from(superblock.disk.0) || reply.incarnation != superblock.incarnation.0
        });
        let renamed = renamed.map(|reply| {
            let path = config.path.display();
            let ours = superblock.disk;
            OpenError::Refused(format!("{path} is {ours} by its superblock, d{} for the leader", reply.id))
        });
        if let Some(error) = foreign.or(renamed) {
            tracing::error!(%error, "the disk leaves service");
            inner.set_pending(&config.path, Some(error.to_string()));
            inner.withdraw(&disk);
            drop(disk);
            return;
        }
        if asked.is_some() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = inner.stopped() => {}
        }
    }
}

fn announcement(inner: &Inner, config: &DiskConfig, superblock: &Superblock, capacity: u64) -> RegisterDisk {
    RegisterDisk {
        node: inner.node.0,
        fingerprint: superblock.fingerprint.to_vec().into(),
        capacity,
        path: config.path.display().to_string(),
        weight: config.weight,
        replaces: 0,
        lost: false,
    }
}

fn check_owner(inner: &Inner, home: &DiskHome, superblock: &Superblock) -> Result<(), OpenError> {
    let (path, node) = (home.path().display(), inner.node);
    if let Some(cluster) = inner.cluster()
        && superblock.cluster != cluster
    {
        let theirs = superblock.cluster;
        return Err(OpenError::Refused(format!(
            "{path} belongs to cluster {theirs}, this node to {cluster}; it is left alone"
        )));
    }
    if superblock.node != node {
        let theirs = superblock.node;
        return Err(OpenError::Refused(format!(
            "{path} is a disk of node {theirs}, this is {node}; it is left alone"
        )));
    }
    Ok(())
}

/// A disk that was replaced must not come back beside the one that has its number now.
fn check_life(inner: &Inner, home: &DiskHome, superblock: &Superblock) -> Result<(), OpenError> {
    let (path, disk) = (home.path().display(), superblock.disk);
    let known = inner.map.disks_of(inner.node.0);
    if known.iter().any(|now| now.id == disk.0 && now.incarnation > superblock.incarnation.0) {
        return Err(OpenError::Refused(format!(
            "{path} is {disk} of before it was replaced: another disk has its place; it is left alone (empty the directory to \
             use it for a new disk)"
        )));
    }
    match inner.disks().iter().find(|served| served.id() == disk) {
        Some(served) => Err(OpenError::Refused(format!(
            "{path} is {disk}, which is in service already, from {}",
            served.home.path().display()
        ))),
        None => Ok(()),
    }
}

/// Gives a new directory an identity: fingerprint first, then the leader's word, both durable.
async fn register(
    inner: &Arc<Inner>,
    home: &Arc<DiskHome>,
    config: &DiskConfig,
    found: Option<Superblock>,
) -> Result<Superblock, OpenError> {
    let deadline = Instant::now() + PATIENCE;
    inner.map.refresh(deadline).await.map_err(|status| waiting(home.path(), &status))?;
    let cluster =
        inner.cluster().ok_or_else(|| OpenError::Refused("the cluster's id is not known yet".into()))?;
    let replaces = expected_here(inner, home, found.as_ref())?;
    let lost = replaces.is_some() && home.replace_wanted();
    let superblock = match found {
        Some(superblock) => {
            check_owner(inner, home, &superblock)?;
            superblock
        }
        None => fresh(inner, cluster),
    };
    let (written, keeper) = (superblock, home.clone());
    blocking(move || keeper.write_superblock(&written)).await?;
    let capacity = capacity(config, home)?;
    let request = RegisterDisk {
        replaces: replaces.unwrap_or(0),
        lost,
        ..announcement(inner, config, &superblock, capacity)
    };
    let reply = inner.meta.call::<AdmitDisk>(&request, deadline).await;
    let reply = reply.and_then(holdfast_proto::op::Reply::into_result);
    let reply = reply.map_err(|status| match (status.kind(), replaces) {
        (Code::PreconditionFailed, Some(disk)) => {
            OpenError::Refused(format!("{}; the leader says: {}", missed(home, disk), status.message))
        }
        _ => waiting(home.path(), &status),
    })?;
    let id = u32::try_from(reply.id).unwrap_or(0);
    if id == 0 {
        return Err(OpenError::Refused("the leader gave the disk no id".into()));
    }
    let superblock =
        Superblock { disk: DiskId(id), incarnation: Incarnation(reply.incarnation), ..superblock };
    let (written, keeper) = (superblock, home.clone());
    blocking(move || {
        keeper.write_superblock(&written)?;
        keeper.replace_done();
        Ok(())
    })
    .await?;
    tracing::info!(disk = %superblock.disk, path = %config.path.display(), "a new disk was admitted");
    Ok(superblock)
}

fn fresh(inner: &Inner, cluster: ClusterId) -> Superblock {
    Superblock {
        disk: DiskId(0),
        incarnation: Incarnation(0),
        cluster,
        fingerprint: rand::random(),
        node: inner.node,
        created: holdfast_support::clock::wall_ms() / 1000,
    }
}

/// In a directory without a disk that was admitted: the disk that the map expects here and that may be replaced, if
/// there is one.
fn expected_here(
    inner: &Inner,
    home: &DiskHome,
    found: Option<&Superblock>,
) -> Result<Option<u32>, OpenError> {
    let path = home.path().display().to_string();
    let here = |disk: &MapDisk| disk.path == path && disk.standing != Standing::Removed as i32;
    let Some(disk) = inner.map.disks_of(inner.node.0).into_iter().find(here) else { return Ok(None) };
    // Admitted, but the process ended before it could note that.
    if found.is_some_and(|superblock| superblock.fingerprint[..] == disk.fingerprint[..]) {
        return Ok(None);
    }
    if disk.standing == Standing::Out as i32 || home.replace_wanted() {
        return Ok(Some(disk.id));
    }
    Err(missed(home, disk.id))
}

fn missed(home: &DiskHome, disk: u32) -> OpenError {
    let path = home.path().display();
    OpenError::Refused(format!(
        "{path} is empty, but disk d{disk} was there: mount it; if it is lost for good, say so with `holdfast admin disks \
         replace {disk}`, or create {path}/REPLACE, to use this directory in its place (without that it is taken when the \
         cluster has rebuilt the old disk's data elsewhere)"
    ))
}

fn waiting(path: &Path, status: &holdfast_proto::status::Status) -> OpenError {
    OpenError::Refused(format!("{} waits to be admitted by the leader: {status}", path.display()))
}

fn capacity(config: &DiskConfig, home: &DiskHome) -> Result<u64, OpenError> {
    if config.capacity > 0 {
        return Ok(config.capacity);
    }
    let stat =
        rustix::fs::statvfs(home.path()).map_err(|error| OpenError::io("ask for the size")(error.into()))?;
    Ok(stat.f_blocks.saturating_mul(stat.f_frsize).saturating_sub(config.leave))
}

/// Opens log and index and puts the disk into service.
async fn open(
    inner: &Arc<Inner>,
    config: &DiskConfig,
    home: Arc<DiskHome>,
    superblock: Superblock,
) -> Result<(), OpenError> {
    inner.orders.learn(home.authority());
    if let Some(why) = home.failure() {
        tracing::error!(disk = %superblock.disk, why, "the disk stays out of service");
        let root = blocking({
            let path = config.path.clone();
            move || home::root_of(&path).map_err(OpenError::io("look where it is mounted"))
        });
        let root = root.await?;
        inner.retire(Retired::new(&superblock, &config.path, why));
        drop(home);
        retired::look_after(inner.clone(), config.clone(), superblock, root, true);
        return Ok(());
    }
    let metrics = Metrics::global().disk(&config.path.display().to_string());
    metrics.condition(DiskCondition::Recovering);
    let began = Instant::now();
    let options = StoreOptions {
        config: inner.config.store.clone(),
        capacity: config.capacity,
        leave: config.leave,
        fingerprint: superblock.fingerprint,
        memory: inner.memory.clone(),
        reads: inner.config.reads_per_disk,
        background_reads: inner.config.background_reads_per_disk,
        metrics: metrics.clone(),
    };
    let (segments, index, path) = (home.segments(), home.index(), config.path.clone());
    let durable = !inner.config.store.unsafe_no_sync;
    let (store, recovered, root) = blocking(move || {
        let root = home::root_of(&path).map_err(OpenError::io("look where it is mounted"))?;
        let disk = RealDisk::open(&segments, durable).map_err(OpenError::io("open the segments"))?;
        let (store, recovered) = Store::open(Arc::new(disk), &index, options)?;
        Ok((store, recovered, root))
    })
    .await?;
    tracing::info!(disk = %superblock.disk, rebuilt = recovered.rebuilt, replayed = recovered.replayed,
        skipped = recovered.skipped.len(), torn = recovered.torn, cut = recovered.cut_bytes, "the disk is in service");
    metrics.recovered(began.elapsed(), recovered.skipped.len());
    let desk = Arc::new(ScrubDesk::default());
    let upkeep = Maintenance::start(store.clone(), home.clone(), inner.config.store.clone(), desk.clone())
        .map_err(OpenError::io("start the disk's upkeep"))?;
    inner.serve(config, ServedDisk::new(home, superblock, root, store, desk), upkeep);
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(OpenError::Refused(format!("opening the disk panicked: {error}"))))
}
