//! The nouns of an export and the contracts between the families that carry it out.
//!
//! Everything here is plain: values, traits and pure arithmetic. There is no I/O, no clock, no
//! randomness and no runtime, so every other crate may depend on this one and no rule of the
//! product can be hidden in a plug-in. Reading order: what can be asked ([`TableSpec`], [`Expr`],
//! [`Window`]), how rows are read ([`Source`], [`Reading`]), enriched ([`Enrichment`]), encoded
//! ([`Format`]) and delivered, as files ([`Destination`]) or as events ([`EventDestination`]), and what is
//! remembered ([`Checkpoint`], [`Manifest`], [`DeliveryReceipt`]). Then what a service adds: exports that people ask for ([`ExportStore`]), the queue
//! they wait in ([`JobStore`]), those that happen by themselves ([`Integration`], [`Schedule`]), and people
//! themselves ([`PeopleStore`], [`AuditLog`]), who look at rows
//! before they export them ([`Browse`]) and take finished files away ([`Downloads`]).
//!
//! It does not know any table, format, source or destination by name.

mod audit;
mod browse;
mod checkpoint;
mod column;
mod comments;
mod delivery;
mod destination;
mod digest;
mod download;
mod enrich;
mod export;
mod expr;
mod fault;
mod fields;
pub mod filter;
mod format;
mod id;
mod ingest;
mod integration;
mod job;
mod kind;
mod manifest;
mod notice;
mod order;
mod page;
mod people;
mod physical;
mod quantity;
mod schedule;
mod secret;
mod selection;
mod shared_text;
mod source;
mod stop;
mod table;
mod time;
mod window;
mod window_manifest;

pub use audit::{AuditEntry, AuditLog, NewAuditEntry};
pub use browse::{
    Bound, Browse, BrowseBounds, FacetAsk, FacetValue, Facets, Histogram, HistogramAsk, HistogramBar, RowKey, RowPage,
    RowsAsk, ShownCells, ShownRow,
};
pub use checkpoint::{Begun, Checkpoint, EncoderState, HashState, OpenFile, RunLog, UploadState};
pub use column::{ColumnType, FieldRole, PriceOf, TimestampStyle, field};
pub use comments::{CommentQuery, CommentStore, CommentToAdd, PlacedComment};
pub use delivery::{
    Answer, DeadLetter, DeadLetters, Delivery, DeliveryCounts, DeliveryProgress, DeliveryReceipt, Dialect,
    EncodedEvent, EncodedEvents, EventDestination, EventEncoder, EventKind, EventRun, EventStream, RequestLimits,
    SentKeys, TableDelivery, event_column,
};
pub use destination::{
    CheckState, CheckStep, Destination, DestinationLimits, Durable, FileAttributes, FileName, FileWriter, ObjectHead,
    Unrecorded,
};
pub use digest::{DIGEST_BUCKETS, KeyDigest};
pub use download::Downloads;
pub use enrich::{
    Comment, CommentLookup, CommentScope, Enricher, Enrichment, Lookups, ModelPrices, ObjectKind, PriceLookup,
    ScoreLookup, ScoreName, ScoreRow, ScoreScope,
};
pub use export::{
    CheckedExport, CreatedExport, Export, ExportAsk, ExportDesk, ExportEstimate, ExportFile, ExportJob, ExportPreview,
    ExportQuery, ExportState, ExportStore, FileNamePattern, Idempotency, NewExport, Quotas,
};
pub use expr::{
    CaseRule, CommentTest, CompareOp, Expr, Literal, ScoreLevel, ScoreTest, ScoreValueTest, TextOp, TracePosition,
};
pub use fault::{Fault, FaultKind, FieldProblem, Retry, nearest};
pub use fields::Fields;
pub use format::{
    BlockEncoder, Compression, EncodedBlock, Encoder, Format, FormatDescriptor, FormatOptions, RowScanner, ScannedRows,
    UnicodeRule,
};
pub use id::{ApiKeyId, BackfillId, IntegrationId, JobId, NoticeId, ProjectId, RunId, UserId};
pub use ingest::{Ingest, IngestIgnored, Ingested, StorageFigures, StoredOfProject, TableStorage};
pub use integration::{
    AskedRows, Backfill, BackfillCause, BackfillOrder, BackfillState, BackfillWindows, ChangedIntegration,
    CheckedIntegration, Comparison, Coverage, Deletions, DuePlan, FileSettings, FoundLater, Integration,
    IntegrationAsk, IntegrationDesk, IntegrationSettings, IntegrationStatus, IntegrationStore, IntegrationTable,
    KeptFrom, KeptLetter, KeyTemplate, NewBackfill, NewIntegration, NextWindow, Pause, PlannedWindow, RowsOfTable,
    RunCause, RunQuery, RunState, SchedulerStore, SchemaChange, SchemaRule, ScoreNames, SourcePreset, Start,
    TableColumns, WindowJob, WindowName, WindowPlan, WindowResult, WindowRun,
};
pub use job::{
    Claim, ClaimLimits, Enqueued, FailedAttempt, Failure, Job, JobKind, JobProgress, JobQuery, JobState, JobStore,
    JobSummary, Lane, Lease, NewJob, NewPart, Outcome, Part, QueueFigures, Task, Unsettled, Wish,
};
pub use kind::{Connected, IntegrationKind, KindDescriptor, RawOptions, Takes};
pub use manifest::{FileReceipt, MANIFEST_VERSION, Manifest, ManifestColumn, ManifestWindow, Published, Receipt};
pub use notice::{Channel, EndedExport, Notice, NoticeStore, StoppedIntegration, Told};
pub use order::{KeyRange, OrderKey};
pub use page::{PAGE_ITEMS_MAX, Page, PageRequest, PageToken};
pub use people::{
    Actor, ApiKey, Member, NewApiKey, NewInvitation, NewUser, PASSWORD_CHARACTERS_MIN, PeopleStore, PresentedKey,
    Project, ProjectChange, Role, Session, SignIn, User, csrf_token,
};
pub use physical::{Joined, PhysicalTable, Serves};
pub use quantity::{ByteCount, RowCount};
pub use schedule::{Cadence, RawSchedule, Schedule, Span};
pub use secret::{Secret, SecretName, SecretStore};
pub use selection::{ColumnSelection, Selection, select};
pub use shared_text::SharedText;
pub use source::{
    DeletedRows, End, Plan, ReadRequest, Reading, Slice, Snapshot, Source, SourceCapabilities, VersionScope, key_column,
};
pub use stop::{Stop, StopReason};
pub use table::{
    Aggregate, AggregateColumn, Attached, ColumnSpec, FilterColumn, FilterKind, Grouped, OrderColumns, Relation,
    ScoreFilters, SearchColumns, StoredColumn, StoredTable, TableName, TableSpec,
};
pub use time::Micros;
pub use window::{Cursor, Window};
pub use window_manifest::{Millis, TableExport, WindowBounds, WindowFacts, WindowFile, WindowManifest};
