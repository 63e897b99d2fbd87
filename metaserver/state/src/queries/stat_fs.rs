//! Totals of the file system. Raw use and what is available are soft state: the metaserver adds them.

use holdfast_proto::map::Standing;
use holdfast_proto::query::{QueryReply, Totals};

use crate::keys;
use crate::map_view;
use crate::queries::Answer;
use crate::records::{self, State};
use crate::table::View;

pub(crate) fn answer(view: &dyn View) -> Answer {
    let state: State = records::load(view, &[keys::STATE])?.unwrap_or_default();
    let takes_part = |standing: i32| standing != Standing::Out as i32 && standing != Standing::Removed as i32;
    let disks = map_view::disks(view)?;
    let raw_capacity = disks.iter().filter(|disk| takes_part(disk.standing)).map(|disk| disk.capacity).sum();
    let totals = Totals {
        inodes: state.inodes,
        bytes: state.bytes,
        chunks: state.chunks,
        raw_capacity,
        trash_items: state.trashed,
        trash_bytes: state.trashed_bytes,
        ..Totals::default()
    };
    Ok(QueryReply { totals: Some(totals), ..QueryReply::default() })
}
