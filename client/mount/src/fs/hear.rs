//! Somebody else changed something of which this mount was told: caches above this one let go of it.
//!
//! What always holds: nothing here waits. What the kernel is not told in time it asks about after
//! [`MountConfig::attr_ttl`](crate::MountConfig), which is what is promised.

use holdfast_proto::session::Changed;

use crate::fs::Shared;

impl Shared {
    /// Attributes of these are not what they were.
    pub(super) fn outdated(&self, inos: &[u64]) {
        for file in inos.iter().filter_map(|ino| self.files.get(*ino)) {
            file.state.lock().expire(self.config.attr_ttl);
        }
    }

    pub(super) fn heard(&self, changes: &[Changed]) {
        let Some(kernel) = self.kernel.get() else { return };
        for changed in changes {
            match &changed.name {
                Some(name) => kernel.name(changed.ino, name.clone()),
                None => match self.files.get(changed.ino) {
                    Some(file) => {
                        let mut state = file.state.lock();
                        state.expire(self.config.attr_ttl);
                        state.through.changed();
                        drop(state);
                        kernel.inode(changed.ino);
                    }
                    // Its pages are looked at when it is opened.
                    None => kernel.attributes(changed.ino),
                },
            }
        }
    }
}
