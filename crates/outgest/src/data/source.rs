//! Which source a command reads, and what belongs to its rows.
//!
//! [`SourceChoice::read`] turns words into a valid choice without opening anything; [`SourceChoice::open`]
//! and [`SourceChoice::lookups`] open. Comments and prices lie beside the rows of an embedded store; a
//! ClickHouse has none, so its rows take prices from our metadata store, and comments where that is wanted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{CommentLookup, Fault, PriceLookup, Source};
use sources::clickhouse::{ClickHouseOptions, CommentsFrom};
use sources::lake::LakeSource;
use store::NativeStore;

use super::late::LateSource;
use super::no_comments::NoComments;
use super::{open_lake, open_metadata};
use crate::config::settings::CommentsOf;
use crate::config::{self, Settings};
use crate::export::CommentsHere;

/// The source that was chosen, valid and not yet opened.
pub struct SourceChoice {
    kind: Kind,
    comments: CommentsHere,
}

enum Kind {
    /// The embedded store of this data directory; `None` is the one of the settings.
    Store(Option<PathBuf>),
    /// A ClickHouse.
    ClickHouse(Box<ClickHouseOptions>),
}

/// What is looked up beside the rows of a source.
#[derive(Clone)]
pub struct RowLookups {
    /// Comments.
    pub comments: Arc<dyn CommentLookup>,
    /// Prices.
    pub prices: Arc<dyn PriceLookup>,
}

impl SourceChoice {
    /// The source that `--source` names, else the setting `source.url`, else the data directory.
    pub fn read(settings: &Settings, option: Option<&str>) -> Result<Self, Fault> {
        let named = option.or_else(|| settings.source.url.as_ref().map(|place| place.reveal()));
        let kind = match named {
            None => Kind::Store(None),
            Some(address) if ClickHouseOptions::recognises(address) => {
                let options = ClickHouseOptions::read(address, &settings.source.options(), &config::environment)?;
                Kind::ClickHouse(Box::new(options))
            }
            // The value is not repeated: it may hold a password.
            Some(address) if address.contains("://") => {
                return Err(Fault::bad_request("--source: no kind of source takes this address").hint(
                    "name a data directory or clickhouse://user@host:8123/database, or leave --source out to read \
                     the store of --data",
                ));
            }
            Some(directory) => Kind::Store(Some(PathBuf::from(directory))),
        };
        let own = match &kind {
            Kind::Store(_) => settings.source.comments != Some(CommentsOf::None),
            Kind::ClickHouse(options) => options.comments == CommentsFrom::Own,
        };
        let comments = if own { CommentsHere::Known } else { CommentsHere::Unknown };
        Ok(Self { kind, comments })
    }

    /// What the source is called in records of runs, without secrets; `None` for the store in the data
    /// directory.
    pub fn name(&self) -> Option<String> {
        match &self.kind {
            Kind::Store(directory) => directory.as_ref().map(|directory| directory.display().to_string()),
            Kind::ClickHouse(options) => Some(options.to_string()),
        }
    }

    /// Whether there are comments to filter by.
    pub fn comments(&self) -> CommentsHere {
        self.comments
    }

    /// The ClickHouse, where one was chosen.
    pub fn clickhouse(&self) -> Option<&ClickHouseOptions> {
        match &self.kind {
            Kind::ClickHouse(options) => Some(options),
            Kind::Store(_) => None,
        }
    }

    /// The data directory, where an embedded store was chosen.
    pub fn directory<'a>(&'a self, settings: &'a Settings) -> Option<&'a Path> {
        match &self.kind {
            Kind::Store(directory) => Some(directory.as_deref().unwrap_or(&settings.data)),
            Kind::ClickHouse(_) => None,
        }
    }

    /// Opens the source. An embedded store must exist; a ClickHouse is not asked anything yet.
    pub fn open(&self, settings: &Settings) -> Result<Arc<dyn Source>, Fault> {
        match &self.kind {
            Kind::Store(directory) => {
                let directory = directory.as_deref().unwrap_or(&settings.data);
                Ok(Arc::new(LakeSource::new(open_lake(directory)?)))
            }
            Kind::ClickHouse(options) => Ok(Arc::new(LateSource::new((**options).clone()))),
        }
    }

    /// Opens what is looked up beside the rows: they and their comments belong to each other.
    pub async fn lookups(&self, settings: &Settings) -> Result<RowLookups, Fault> {
        let store = match &self.kind {
            Kind::Store(Some(directory)) => NativeStore::open(directory).await?,
            Kind::Store(None) | Kind::ClickHouse(_) => open_metadata(settings).await?,
        };
        Ok(RowLookups::of(store, self.comments))
    }
}

impl RowLookups {
    /// What a metadata store holds; without its comments where they are not of these rows.
    pub fn of(store: NativeStore, comments: CommentsHere) -> Self {
        let prices = Arc::new(store.clone());
        match comments {
            CommentsHere::Known => Self { comments: Arc::new(store), prices },
            CommentsHere::Unknown => Self { comments: Arc::new(NoComments), prices },
        }
    }
}
