//! Counts the rows of a Parquet file by its footer.
//!
//! The footer stands at the end and everything before it is only hashed by the caller. Cells are read by
//! [`super::columns`].

use ::parquet::file::metadata::ParquetMetaDataReader;
use model::{Fault, FaultKind, RowCount, RowScanner, ScannedRows};

/// Bytes of the end that are kept: the footer of a file of several terabytes.
const TAIL_BYTES: usize = 64 << 20;

/// What stands first and last.
const MAGIC: &[u8] = b"PAR1";

/// Length of the footer and the magic behind it.
const END_BYTES: usize = 8;

/// A Parquet file that is being read.
#[derive(Default)]
pub(super) struct Footer {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl RowScanner for Footer {
    fn push(&mut self, bytes: &[u8], _found: &mut ScannedRows) -> Result<(), Fault> {
        if self.head.len() < MAGIC.len() {
            self.head.extend(bytes.iter().take(MAGIC.len() - self.head.len()));
        }
        self.tail.extend_from_slice(bytes);
        // Twice the bound before it is cut, so that every byte is moved once on average.
        if self.tail.len() > 2 * TAIL_BYTES {
            self.tail.drain(..self.tail.len() - TAIL_BYTES);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, found: &mut ScannedRows) -> Result<(), Fault> {
        let not_parquet = || Fault::corrupt("it does not begin and end as a Parquet file does");
        let (rest, end) = self.tail.split_last_chunk::<END_BYTES>().ok_or_else(not_parquet)?;
        let [a, b, c, d, magic @ ..] = end;
        if self.head != MAGIC || magic != MAGIC {
            return Err(not_parquet());
        }
        let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        if length > TAIL_BYTES {
            return Err(Fault::new(FaultKind::TooLarge { limit: None }, format!("its footer has {length} bytes")));
        }
        let start = rest.len().checked_sub(length).ok_or_else(not_parquet)?;
        let metadata = ParquetMetaDataReader::decode_metadata(&rest[start..])
            .map_err(|error| Fault::corrupt("its footer makes no sense").because(error))?;
        let rows = u64::try_from(metadata.file_metadata().num_rows()).map_err(|_| not_parquet())?;
        found.rows += RowCount(rows);
        Ok(())
    }
}
