//! Cutting a block into pieces that depend on its rows alone.
//!
//! A page can end only behind a piece. If pieces were the batches, the bytes of a file would depend
//! on how the source happened to cut them (promise 3). So a piece is a fixed number of rows counted
//! from the block's first; only a piece that lies across batches is copied together.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_select::concat::concat;
use model::Fault;

/// Rows of a piece. Fewer cost more calls per row; more are copied where batches meet.
const PIECE_ROWS: usize = 1_024;

/// Adjacent rows, as slices of the batches they lie in.
pub(super) struct Piece {
    slices: Vec<RecordBatch>,
}

impl Piece {
    /// A column of the piece, copied only where the piece lies across batches.
    pub(super) fn column(&self, index: usize) -> Result<ArrayRef, Fault> {
        if let [slice] = self.slices.as_slice() {
            return Ok(ArrayRef::clone(slice.column(index)));
        }
        let parts: Vec<&dyn Array> = self.slices.iter().map(|slice| slice.column(index).as_ref()).collect();
        concat(&parts).map_err(|error| Fault::bug("cannot join the rows of adjacent batches").because(error))
    }
}

/// Cuts the rows of adjacent batches into pieces.
pub(super) fn pieces(batches: &[RecordBatch]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut slices = Vec::new();
    let mut missing = PIECE_ROWS;
    for batch in batches {
        let mut at = 0;
        while at < batch.num_rows() {
            let rows = missing.min(batch.num_rows() - at);
            slices.push(batch.slice(at, rows));
            at += rows;
            missing -= rows;
            if missing == 0 {
                pieces.push(Piece { slices: std::mem::take(&mut slices) });
                missing = PIECE_ROWS;
            }
        }
    }
    if !slices.is_empty() {
        pieces.push(Piece { slices });
    }
    pieces
}
