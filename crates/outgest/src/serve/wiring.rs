//! What every role of a server works with, connected once from the settings.

use std::sync::Arc;
use std::time::Duration;

use jobs::{Scheduler, Worker, WorkerSettings};
use lake::Lake;
use model::{Fault, Source};
use pipeline::{Budget, Paces, RealWaits};
use sources::lake::LakeSource;
use store::{NativeStore, SealingKey, StoreOptions};

use super::desk::Desk;
use super::place::Place;
use super::runner::ExportRunner;
use super::runners::Runners;
use super::seal;
use super::sharing::Beginnings;
use crate::config::connect::guard;
use crate::config::{self, Settings};
use crate::data::{self, RowLookups, SourceChoice};
use crate::export::CommentsHere;
use crate::integrations::{
    GuardedPlaces, IntegrationsDesk, PatientSource, Places, Reconciler, SourceRows, WindowRunner,
};
use crate::notify;

/// Everything that the roles share.
pub struct Wired {
    /// What is set.
    pub settings: Settings,
    /// The metadata store.
    pub store: NativeStore,
    /// Where rows come from.
    pub source: Arc<dyn Source>,
    /// Whether its rows have comments to filter by.
    pub comments_here: CommentsHere,
    /// What is looked up beside its rows.
    pub lookups: RowLookups,
    /// The embedded store, where it is the source.
    pub lake: Option<Lake>,
    /// Where files of exports are kept.
    pub place: Place,
    /// The key that secrets are sealed with.
    pub sealing: SealingKey,
    /// Tells when a job begins.
    pub beginnings: Beginnings,
}

/// The embedded store that the jobs of this metadata store read. One is made where none was noted yet: where the disk
/// of the one that was is missing, none may take its place.
async fn expected_lake(settings: &Settings, store: &NativeStore) -> Result<Lake, Fault> {
    let lake = match store.rows_of().await? {
        Some(_) => data::open_lake(&settings.data)?,
        None => data::create_lake(&settings.data, config::now())?,
    };
    store.expect_rows_of(&lake.id()?).await?;
    Ok(lake.keeping_replaced_files(settings.retention.replaced_files.0))
}

impl Wired {
    /// Connects everything; what is missing of an embedded store and of a schema is made.
    pub async fn connect(settings: &Settings) -> Result<Self, Fault> {
        let choice = SourceChoice::read(settings, None)?;
        data::refuse_unfinished(&settings.data)?;
        data::create_directory(&settings.data)?;
        let keys = seal::keys(&settings.seal, &settings.data)?;
        let sealing = keys.current.clone();
        let options = StoreOptions {
            sealing: Some(keys),
            session: settings.server.session.0,
            notices: notify::channels(settings),
            ..StoreOptions::default()
        };
        let store = NativeStore::open_at(&data::metadata_place(settings)?, options).await?;
        let (source, lake): (Arc<dyn Source>, Option<Lake>) = match &settings.source.url {
            Some(_) => (choice.open(settings)?, None),
            None => {
                let lake = expected_lake(settings, &store).await?;
                (Arc::new(LakeSource::new(lake.clone())), Some(lake))
            }
        };
        let place = match &settings.export.destination {
            Some(place) => Place::connect(place.reveal())?,
            None => Place::connect(&settings.data.join("exports").to_string_lossy())?,
        };
        let lookups = RowLookups::of(store.clone(), choice.comments());
        let comments_here = choice.comments();
        Ok(Self {
            settings: settings.clone(),
            store,
            source,
            comments_here,
            lookups,
            lake,
            place,
            sealing,
            beginnings: Beginnings::default(),
        })
    }

    /// Answers what the API asks about requests before they are queued.
    pub fn desk(&self) -> Desk {
        Desk::new(Arc::clone(&self.source), &self.lookups, self.comments_here)
    }

    /// What the API asks about integrations.
    pub fn integrations(&self) -> api::Integrations {
        let desk = IntegrationsDesk::new(
            Arc::clone(&self.source),
            Arc::clone(&self.lookups.comments),
            Arc::new(self.store.clone()),
            self.places(),
            guard(&self.settings),
        );
        api::Integrations { store: Arc::new(self.store.clone()), desk: Arc::new(desk) }
    }

    /// Connects destinations that users name.
    fn places(&self) -> Arc<dyn Places> {
        Arc::new(GuardedPlaces { guard: guard(&self.settings), secrets: Arc::new(self.store.clone()) })
    }

    /// Plans the windows of integrations.
    pub fn scheduler(&self) -> Scheduler {
        let rows = SourceRows { source: Arc::clone(&self.source), comments: Arc::clone(&self.lookups.comments) };
        let compare_after = self.settings.integrations.compare_after.0;
        Scheduler::new(Arc::new(self.store.clone()), Arc::new(rows), Arc::new(RealWaits), config::now, compare_after)
    }

    /// A worker with this process's name.
    pub fn worker(&self) -> Worker {
        let settings = &self.settings.worker;
        let budget = Budget::for_cores(settings.threads());
        let runner = Runners {
            exports: ExportRunner {
                source: Arc::clone(&self.source),
                comments: Arc::clone(&self.lookups.comments),
                prices: Arc::clone(&self.lookups.prices),
                place: self.place.clone(),
                budget,
            },
            windows: WindowRunner {
                store: Arc::new(self.store.clone()),
                source: Arc::new(PatientSource::new(Arc::clone(&self.source))),
                comments: Arc::clone(&self.lookups.comments),
                prices: Arc::clone(&self.lookups.prices),
                places: self.places(),
                base_url: self.settings.source.base_url(),
                now: config::now,
                waits: Arc::new(RealWaits),
                budget,
                paces: Paces::default(),
            },
            reconciler: Reconciler {
                store: Arc::new(self.store.clone()),
                source: Arc::clone(&self.source),
                comments: Arc::clone(&self.lookups.comments),
                places: self.places(),
                now: config::now,
                waits: Arc::new(RealWaits),
                budget,
            },
            beginnings: self.beginnings.clone(),
        };
        let lease = settings.lease.0;
        let host = config::environment("HOSTNAME").unwrap_or_else(|| "worker".to_owned());
        let settings = WorkerSettings {
            name: format!("{host}/{}", std::process::id()),
            places: settings.jobs.get(),
            lease,
            // Progress once a second, and several renewals in a lease however short it is.
            beat: (lease / 10).min(Duration::from_secs(1)),
            running_per_project_max: self.settings.quota.active_exports,
            ..WorkerSettings::default()
        };
        Worker::new(Arc::new(self.store.clone()), Arc::new(runner), Arc::new(RealWaits), settings)
    }
}
