//! The footer of a file while it grows.
//!
//! It lists every column of every row group. The library keeps that list as it works with it, at two
//! kilobytes a column: 70 MB for an export of 4,000,000 events. Here it is packed as it will be stored,
//! at less than a tenth, and unpacked when the file ends and its rows are no longer held.

use std::sync::Arc;

use ::parquet::file::metadata::{
    FileMetaData, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataOptions, ParquetMetaDataReader,
    ParquetMetaDataWriter, RowGroupMetaData, RowGroupMetaDataPtr,
};
use model::Fault;

use super::cannot_encode;
use super::properties::Layout;

/// Row groups that are packed together: enough that the schema, which every pack repeats, hardly counts.
const PACK_GROUPS: usize = 64;

/// Bytes that follow the list at a file's end: its length and the mark of the format.
const TAIL_BYTES: usize = 8;

/// What a file's footer will say of the row groups so far.
pub(super) struct Footer {
    file: FileMetaData,
    packs: Vec<Vec<u8>>,
    latest: Vec<RowGroupMetaData>,
    /// The number of the next row group, which Parquet keeps in 16 bits.
    next: i16,
}

impl Footer {
    pub(super) fn of(layout: &Layout) -> Self {
        let properties = &layout.properties;
        let file = FileMetaData::new(
            properties.writer_version().as_num(),
            0,
            Some(properties.created_by().to_owned()),
            properties.key_value_metadata().cloned(),
            Arc::clone(&layout.descriptor),
            None,
        );
        Self { file, packs: Vec::new(), latest: Vec::new(), next: 0 }
    }

    /// The number of the row group that comes next.
    pub(super) fn next_ordinal(&self) -> Result<i16, Fault> {
        if self.next == i16::MAX {
            return Err(Fault::bad_request("a parquet file holds at most 32,767 row groups, and this one has them")
                .hint("start a new file every so many bytes: --roll-size 10GB"));
        }
        Ok(self.next)
    }

    pub(super) fn push(&mut self, group: RowGroupMetaDataPtr) -> Result<(), Fault> {
        self.latest.push(Arc::unwrap_or_clone(group));
        self.next += 1;
        if self.latest.len() == PACK_GROUPS {
            self.pack()?;
        }
        Ok(())
    }

    fn pack(&mut self) -> Result<(), Fault> {
        let groups = std::mem::take(&mut self.latest);
        self.packs.push(self.stored(groups)?);
        Ok(())
    }

    /// The end of the file.
    pub(super) fn into_bytes(mut self) -> Result<Vec<u8>, Fault> {
        // As a mask, which kinds of pages there are would be left of how many of each.
        let options = Arc::new(ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false));
        // The rest as well, so that all of them are told alike: bounds under the names they had before version 2.4
        // of the format are not unpacked.
        self.pack()?;
        let mut groups = Vec::with_capacity(self.packs.len() * PACK_GROUPS);
        for pack in std::mem::take(&mut self.packs) {
            let list = &pack[..pack.len() - TAIL_BYTES];
            let unpacked =
                ParquetMetaDataReader::decode_metadata_with_options(list, Some(&options)).map_err(cannot_encode)?;
            groups.extend(unpacked.into_builder().take_row_groups());
        }
        self.stored(groups)
    }

    /// The row groups as they are stored at a file's end.
    fn stored(&self, groups: Vec<RowGroupMetaData>) -> Result<Vec<u8>, Fault> {
        let metadata: ParquetMetaData = ParquetMetaDataBuilder::new(self.file.clone()).set_row_groups(groups).build();
        let mut bytes = Vec::new();
        ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().map_err(cannot_encode)?;
        Ok(bytes)
    }
}
