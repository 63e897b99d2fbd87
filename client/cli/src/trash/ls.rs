//! `holdfast trash ls`: what is kept, page by page as it comes.

use std::ffi::OsString;
use std::io::Write;

use super::{PAGE, Pages, View};
use crate::failure::Outcome;
use crate::output::{Output, size, warn};
use crate::place::RemotePath;
use crate::remote::Remote;

pub(super) async fn run(remote: &Remote, path: Option<&OsString>, output: Output) -> Outcome<()> {
    let path = path.map_or(Ok(RemotePath::root()), |path| RemotePath::parse(path))?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut pages = Pages::new(remote, &path, PAGE);
    let mut listed = 0;
    while let Some(page) = pages.next().await? {
        if listed == 0 && !page.is_empty() && !output.json {
            writeln!(
                out,
                "{:>8}  {:19}  {:>8}  {:>10}  {:13}  path",
                "item", "deleted", "kept for", "size", "by"
            )?;
        }
        listed += page.len();
        for item in &page {
            let view = View::of(item);
            let line = format!(
                "{:>8}  {}  {:>8}  {:>10}  {:13}  {}{}",
                view.id,
                view.deleted,
                view.left(),
                size(view.size),
                view.by,
                view.path,
                if view.open { "  (still open)" } else { "" }
            );
            output.line(&mut out, &view, &line)?;
        }
        out.flush()?;
    }
    if listed == 0 && !output.json {
        warn(
            "nothing is kept there. Files younger than trash_min_age_seconds, and empty ones, are not; see \
             `holdfast trash --help`",
        );
    }
    Ok(())
}
