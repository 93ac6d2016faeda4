//! Where the files or events of an integration go, connected with its secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use destinations::{Guard, connect_events, connect_guarded};
use model::{
    Delivery, Destination, Fault, Integration, IntegrationId, IntegrationSettings, RawOptions, Secret, SecretStore,
    Takes,
};

use super::kinds::{self, BUCKET};
use crate::config;
use crate::deliver::Looks;

/// Connects destinations of integrations.
#[async_trait]
pub trait Places: Send + Sync {
    /// Connects the destination that the settings name. Secrets that are not `given` are those that are stored
    /// for `id`; one that is given empty is none, whatever is stored. Nothing is sent yet.
    async fn connect(
        &self,
        settings: &IntegrationSettings,
        given: &BTreeMap<String, Secret>,
        id: Option<&IntegrationId>,
    ) -> Result<Delivery, Fault>;
}

impl dyn Places {
    /// Connects the destination of an integration that takes files.
    pub async fn connect_files(&self, integration: &Integration) -> Result<Arc<dyn Destination>, Fault> {
        match self.connect(&integration.settings, &BTreeMap::new(), Some(&integration.id)).await? {
            Delivery::Files(destination) => Ok(destination),
            Delivery::Events(_) => Err(Fault::bug(format!("integration {} has no files", integration.id))),
        }
    }
}

/// Destinations behind hosts that users name: only what the guard permits is connected to.
pub struct GuardedPlaces {
    /// Which hosts may be connected to.
    pub guard: Guard,
    /// Where secrets are kept.
    pub secrets: Arc<dyn SecretStore>,
}

#[async_trait]
impl Places for GuardedPlaces {
    async fn connect(
        &self,
        settings: &IntegrationSettings,
        given: &BTreeMap<String, Secret>,
        id: Option<&IntegrationId>,
    ) -> Result<Delivery, Fault> {
        let name = &settings.kind;
        let kind = kinds::find(name).ok_or_else(|| Fault::of_field("kind", format!("there is no kind {name:?}")))?;
        let mut options = settings.options.clone();
        if let Some(option) = options.keys().find(|option| kinds::names_a_file(name, option)) {
            return Err(Fault::of_field(format!("options.{option}"), "files of the server cannot be named here")
                .hint("give the secret itself"));
        }
        match kind.takes {
            Takes::Files => {
                let address = address(settings, &mut options)?;
                let options = self.with_secrets(options, given, id).await?;
                Ok(Delivery::Files(connect_guarded(&address, &options, &self.guard)?.to))
            }
            Takes::Events => {
                // How events look is nothing to their receiver.
                Looks::take(&mut options).map_err(Fault::of_problems)?;
                let options = self.with_secrets(options, given, id).await?;
                // Keys of the server's own environment are the server's, not the user's.
                Ok(Delivery::Events(connect_events(name, &options, &self.guard, &|_| None, config::now)?))
            }
        }
    }
}

impl GuardedPlaces {
    /// Adds the secrets that are stored for an integration, and those that are given in their place.
    async fn with_secrets(
        &self,
        mut options: BTreeMap<String, String>,
        given: &BTreeMap<String, Secret>,
        id: Option<&IntegrationId>,
    ) -> Result<RawOptions, Fault> {
        if let Some(id) = id {
            for field in self.secrets.secret_fields("integration", id.as_str()).await? {
                if let Some(secret) = self.secrets.secret(&Integration::secret(id, &field)).await? {
                    options.insert(field, secret.reveal().to_owned());
                }
            }
        }
        options.extend(given.iter().map(|(name, secret)| (name.clone(), secret.reveal().to_owned())));
        Ok(RawOptions(options))
    }
}

/// The address of a bucket or container; the option that names it is taken away.
fn address(settings: &IntegrationSettings, options: &mut BTreeMap<String, String>) -> Result<String, Fault> {
    let bucket = options.remove(BUCKET).unwrap_or_default();
    if bucket.is_empty() || bucket.contains(['/', '?', '@', '#']) {
        return Err(Fault::bad_request(format!("options.{BUCKET}: {bucket:?} is not the name of a bucket"))
            .hint("name the bucket alone; what keys begin with is the prefix"));
    }
    let prefix = settings.files.as_ref().map_or("", |files| files.prefix.as_str());
    // What follows one in an address are options.
    if prefix.contains('?') {
        return Err(Fault::of_field("prefix", format!("{prefix:?} has a question mark in it"))
            .hint("name a folder without one"));
    }
    let scheme = kinds::scheme(&settings.kind).ok_or_else(|| Fault::bug("a kind of files without a scheme"))?;
    Ok(format!("{scheme}://{bucket}/{prefix}"))
}
