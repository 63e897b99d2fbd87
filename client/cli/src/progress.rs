//! Progress of transfers: a bar on a terminal, nothing otherwise.
//!
//! What always holds: drawing never slows the transfer down (indicatif limits its own rate), and nothing is drawn
//! when standard error is not a terminal or JSON was asked for.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{Output, interactive};

/// Bytes and files of one command.
#[derive(Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar whose total grows while the source is still being walked.
    pub(crate) fn new(output: Output, quiet: bool) -> Self {
        let bar = ProgressBar::new(0);
        if output.json || quiet || !interactive() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template(
            "{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} eta {eta} {wide_msg}",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// More to do was found.
    pub(crate) fn expect(&self, bytes: u64) {
        self.bar.inc_length(bytes);
    }

    /// Bytes went through.
    pub(crate) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Bytes that went through so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bar.position()
    }

    /// What is being done.
    pub(crate) fn say(&self, message: impl Into<String>) {
        if !self.bar.is_hidden() {
            self.bar.set_message(message.into());
        }
    }

    /// A line above the bar.
    pub(crate) fn warn(&self, message: impl std::fmt::Display) {
        self.bar.suspend(|| crate::output::warn(message));
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
