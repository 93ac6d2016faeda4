//! The nouns of an export and the contracts between the families that carry it out.
//!
//! Everything here is plain: values, traits and pure arithmetic. There is no I/O, no clock, no
//! randomness and no runtime, so every other crate may depend on this one and no rule of the
//! product can be hidden in a plug-in. Reading order: what can be asked ([`TableSpec`], [`Expr`],
//! [`Window`]), how rows are read ([`Source`], [`Reading`]), enriched ([`Enrichment`]), encoded
//! ([`Format`]) and delivered ([`Destination`]), and what is remembered ([`Checkpoint`],
//! [`Manifest`]).
//!
//! It does not know any table, format, source or destination by name.

mod checkpoint;
mod column;
mod destination;
mod digest;
mod enrich;
mod expr;
mod fault;
pub mod filter;
mod format;
mod id;
mod kind;
mod manifest;
mod order;
mod quantity;
mod selection;
mod source;
mod stop;
mod table;
mod time;
mod window;

pub use checkpoint::{Checkpoint, EncoderState, HashState, OpenFile, RunLog, UploadState};
pub use column::{ColumnType, FieldRole, TimestampStyle, field};
pub use destination::{
    CheckStep, Destination, DestinationLimits, Durable, FileAttributes, FileName, FileWriter, ObjectHead,
};
pub use digest::{DIGEST_BUCKETS, KeyDigest};
pub use enrich::{
    Comment, CommentLookup, Enricher, Enrichment, Lookups, ObjectKind, ScoreLookup, ScoreName, ScoreRow, ScoreScope,
};
pub use expr::{
    CaseRule, CommentTest, CompareOp, Expr, Literal, ScoreLevel, ScoreTest, ScoreValueTest, TextOp, TracePosition,
};
pub use fault::{Fault, FaultKind, FieldProblem, Retry, nearest};
pub use format::{
    BlockEncoder, Compression, EncodedBlock, Encoder, Format, FormatDescriptor, FormatOptions, RowScanner, ScannedRows,
    UnicodeRule,
};
pub use id::{ProjectId, RunId};
pub use kind::{Connected, KindDescriptor, RawOptions};
pub use manifest::{FileReceipt, MANIFEST_VERSION, Manifest, ManifestColumn, ManifestWindow, Receipt};
pub use order::{KeyRange, OrderKey};
pub use quantity::{ByteCount, RowCount};
pub use selection::{ColumnSelection, Selection, select};
pub use source::{Plan, ReadRequest, Reading, Slice, Snapshot, Source, SourceCapabilities, key_column};
pub use stop::{Stop, StopReason};
pub use table::{
    Aggregate, AggregateColumn, ColumnSpec, FilterColumn, FilterKind, Grouped, OrderColumns, Relation, ScoreFilters,
    SearchColumns, StoredColumn, StoredTable, TableName, TableSpec,
};
pub use time::Micros;
pub use window::{Cursor, Window};
