//! Files in a browser: looking around, previews, uploads that go on after a break, links to share, trash, what a directory
//! hands down.
//!
//! What always holds: names are bytes. In a query a path is percent-encoded once; in JSON it is text in which `%` and what
//! is not UTF-8 are written `%XX`. Content is sent so that nothing in it can act on the dashboard's behalf.

mod browse;
mod change;
mod content;
pub(crate) mod path;
mod share;
mod trash;
mod upload;

use utoipa_axum::router::OpenApiRouter;

pub use browse::{Entry, EntryDetail, Listing, Quota, detail};
pub use change::limit;
pub(crate) use path::read;
pub(crate) use share::shared;

use crate::http::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(browse::routes())
        .merge(change::routes())
        .merge(content::routes())
        .merge(upload::routes())
        .merge(share::routes())
        .merge(trash::routes())
}
