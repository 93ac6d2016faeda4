//! The ports of the API, made from what is wired.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{BrowseBounds, Ingest, Secret, Stop};
use sha2::{Digest, Sha256};
use store::SealingKey;

use super::downloads::DestinationDownloads;
use super::figures::{LakeFigures, SourceFigures};
use super::ingest::LakeIngest;
use super::readiness::Reachable;
use super::wiring::Wired;
use crate::browse::{LookedUp, SourceBrowse};
use crate::config;
use crate::export::{CommentsHere, hex};
use crate::observe::metrics::Metrics;

/// How long an import may send nothing.
const IMPORT_SILENCE_MAX: Duration = Duration::from_secs(60);

impl Wired {
    /// What the API asks for everything.
    pub fn ports(&self, metrics: Option<Arc<Metrics>>, closing: Stop) -> api::Ports {
        let (store, source) = (self.store.clone(), Arc::clone(&self.source));
        let looked_up = LookedUp { comments: Arc::new(store.clone()), prices: Arc::new(store.clone()) };
        let ingest = self.lake.clone().map(|lake| LakeIngest::new(lake, store.clone()));
        api::Ports {
            exports: Arc::new(store.clone()),
            desk: Arc::new(self.desk()),
            downloads: Arc::new(DestinationDownloads(Arc::clone(&self.place.destination))),
            browse: Arc::new(SourceBrowse::new(Arc::clone(&source), looked_up, config::now)),
            ingest: ingest.map(|ingest| Arc::new(ingest) as Arc<dyn Ingest>),
            storage: match self.lake.clone() {
                Some(lake) => Arc::new(LakeFigures(lake)),
                None => Arc::new(SourceFigures(self.desk())),
            },
            integrations: Some(self.integrations()),
            comments: Arc::new(store.clone()),
            people: Arc::new(store.clone()),
            audit: Arc::new(store.clone()),
            readiness: Arc::new(Reachable::new(store, source)),
            closing,
            metrics: metrics.map(|metrics| Arc::new(move || metrics.render()) as Arc<dyn Fn() -> String + Send + Sync>),
            is_proxy: self.proxies(),
            now: config::now,
        }
    }

    /// Tells the deployment's own proxies from everybody else.
    fn proxies(&self) -> Arc<dyn Fn(IpAddr) -> bool + Send + Sync> {
        let networks = self.settings.server.trusted_proxies.clone();
        Arc::new(move |address| networks.iter().any(|network| network.0.contains(address)))
    }

    /// How the API is set up.
    pub fn api_settings(&self) -> api::Settings {
        let settings = &self.settings;
        api::Settings {
            public_url: settings.server.public_url(),
            version: env!("CARGO_PKG_VERSION"),
            catalog: api::Catalog {
                tables: tables::all().to_vec(),
                formats: formats::all().iter().map(|format| format.descriptor().clone()).collect(),
                source: self.source.to_string(),
                comments: self.comments_here == CommentsHere::Known,
            },
            body_bytes_max: settings.server.body_bytes_max.0,
            import_bytes_max: settings.server.import_bytes_max.0,
            import_silence_max: IMPORT_SILENCE_MAX,
            requests_per_minute: settings.server.requests_per_minute,
            metrics_token: settings.metrics.token.as_ref().map(|token| token.0.clone()),
            browse: BrowseBounds::DEFAULT,
            link_key: link_key(&self.sealing),
            quotas: settings.quota.quotas(),
            file_names: settings.export.file_names(),
            keep: settings.export.expiry.0,
        }
    }
}

/// The key of download links. It comes from the one that all processes share, and does not tell it.
fn link_key(sealing: &SealingKey) -> Secret {
    Secret::new(hex(&Sha256::digest([b"outgest link key".as_slice(), &sealing.bytes()].concat())))
}
