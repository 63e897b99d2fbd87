//! The kernel's page at the end of a file: behind the end it shows zeros, and goes on to do so when the file has grown
//! where the kernel did not see it, by an append through this mount or by somebody elsewhere.
//!
//! What always holds: the kernel is not told that a file is longer than it was when it last read that page, before
//! it has dropped the page. So nobody sees zeros that nobody wrote.

use std::sync::Arc;

use crate::fs::file::{File, State};
use crate::fs::{Attr, Fs};

/// What the kernel may hold of the end of a file.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// Where the file ended when the kernel read the page.
    end: Option<u64>,
    /// The same of pages read since the kernel was told to drop older ones.
    newer: Option<u64>,
    dropping: bool,
    /// Somebody sees to it that the page is dropped.
    asked: bool,
}

impl Pages {
    /// The kernel read up to the end of the file, and fills the rest of the page with zeros.
    pub(crate) fn read_to(&mut self, end: u64) {
        let known = if self.dropping { &mut self.newer } else { &mut self.end };
        *known = Some(known.map_or(end, |known| known.min(end)));
    }

    /// The kernel itself wrote up to here.
    pub(crate) fn written_to(&mut self, end: u64) {
        for known in [&mut self.end, &mut self.newer].into_iter().flatten() {
            *known = end.max(*known);
        }
    }

    /// The kernel itself cut the file, or let it grow.
    pub(crate) fn resized(&mut self, size: u64) {
        for known in [&mut self.end, &mut self.newer].into_iter().flatten() {
            *known = size;
        }
    }

    /// The kernel was told this length.
    fn cut_to(&mut self, size: u64) {
        for known in [&mut self.end, &mut self.newer].into_iter().flatten() {
            *known = size.min(*known);
        }
    }

    /// What may be told of a length, while the page is as it is.
    pub(crate) fn tell(&self, size: u64) -> u64 {
        self.end.or(self.newer).map_or(size, |end| end.min(size))
    }

    /// From where on the kernel is to drop what it holds.
    fn begin_drop(&mut self) -> Option<u64> {
        (self.dropping, self.asked) = (true, false);
        self.end
    }

    fn dropped(&mut self) {
        self.dropping = false;
        self.end = self.newer.take();
    }
}

impl State {
    /// The kernel may have a page that lacks what is there now.
    pub(crate) fn shows_zeros(&self) -> bool {
        self.pages.tell(self.size()) < self.size()
    }
}

impl Fs {
    /// Attributes of an open file as the kernel may know them now; it hears of a growth when it has dropped its last page.
    pub(crate) fn attr_for_kernel(&self, file: &Arc<File>, state: &mut State) -> Attr {
        let mut attr = state.attr();
        let size = state.pages.tell(attr.size);
        // Where it is told a shorter length, it fills the rest with zeros.
        state.pages.cut_to(size);
        if size < attr.size {
            attr.size = size;
            if !std::mem::replace(&mut state.pages.asked, true) {
                let (fs, file) = (self.clone(), file.clone());
                self.shared.runtime.spawn(async move { fs.drop_end(&file).await });
            }
        }
        attr
    }

    /// The kernel has no page of the end of the file when this returns, or a new one.
    pub(crate) async fn drop_end(&self, file: &Arc<File>) {
        self.drop_pages(file, None).await;
    }

    /// The same, and it has no older page from an offset on.
    pub(crate) async fn drop_pages(&self, file: &Arc<File>, from: Option<u64>) {
        let _one = file.dropping.lock().await;
        let end = file.state.lock().pages.begin_drop();
        if let Some(from) = from.or(end) {
            self.invalidate_from(file.ino, from).await;
        }
        file.state.lock().pages.dropped();
        // Who asked for attributes meanwhile was told the old length.
        self.invalidate_attributes(file.ino);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growth_is_told_when_the_page_is_gone() {
        let mut pages = Pages::default();
        assert_eq!(pages.tell(10), 10);
        pages.read_to(10);
        assert_eq!([pages.tell(9), pages.tell(12)], [9, 10]);
        // What the kernel does itself, it knows.
        pages.written_to(12);
        assert_eq!(pages.tell(15), 12);
        pages.resized(5);
        assert_eq!(pages.tell(15), 5);
        assert_eq!(pages.begin_drop(), Some(5));
        assert_eq!(pages.tell(15), 5, "not yet");
        pages.dropped();
        assert_eq!(pages.tell(15), 15);
    }

    #[test]
    fn a_page_read_while_older_ones_go_counts() {
        let mut pages = Pages::default();
        pages.read_to(10);
        pages.begin_drop();
        pages.read_to(12);
        assert_eq!(pages.tell(15), 10);
        pages.dropped();
        assert_eq!(pages.tell(15), 12);
        pages.read_to(20);
        assert_eq!(pages.tell(25), 12, "the oldest page counts");
    }
}
