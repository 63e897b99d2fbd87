//! Codes of erasure classes, made once: building one inverts a matrix.
//!
//! What always holds: at most [`MOST`] are kept; a cluster has a handful of shapes.

use std::collections::HashMap;
use std::sync::Arc;

use holdfast_erasure::{Codec, ErasureError};
use holdfast_proto::geometry::Geometry;
use parking_lot::Mutex;

const MOST: usize = 64;

/// The codes made so far.
#[derive(Default)]
pub(crate) struct Codecs {
    made: Mutex<HashMap<Geometry, Arc<Codec>>>,
}

impl Codecs {
    /// The code of a shape.
    pub(crate) fn get(&self, geometry: Geometry) -> Result<Arc<Codec>, ErasureError> {
        if let Some(codec) = self.made.lock().get(&geometry) {
            return Ok(codec.clone());
        }
        let codec = Arc::new(Codec::new(geometry)?);
        let mut made = self.made.lock();
        if made.len() >= MOST {
            made.clear();
        }
        made.insert(geometry, codec.clone());
        Ok(codec)
    }
}
