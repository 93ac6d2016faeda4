//! Where the files of an integration go, connected with its secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use destinations::{Guard, connect_guarded};
use model::{Destination, Fault, Integration, IntegrationId, IntegrationSettings, RawOptions, Secret, SecretStore};

use super::kinds::{self, BUCKET};

/// Connects destinations of integrations.
#[async_trait]
pub trait Places: Send + Sync {
    /// Connects the destination that the settings name. Secrets that are not `given` are those that are stored
    /// for `id`. Nothing is sent yet.
    async fn connect(
        &self,
        settings: &IntegrationSettings,
        given: &BTreeMap<String, Secret>,
        id: Option<&IntegrationId>,
    ) -> Result<Arc<dyn Destination>, Fault>;
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
    ) -> Result<Arc<dyn Destination>, Fault> {
        let mut options = settings.options.clone();
        let bucket = options.remove(BUCKET).unwrap_or_default();
        if bucket.is_empty() || bucket.contains(['/', '?', '@', '#']) {
            return Err(Fault::bad_request(format!("options.{BUCKET}: {bucket:?} is not the name of a bucket"))
                .hint("name the bucket alone; what keys begin with is the prefix"));
        }
        if let Some(name) = options.keys().find(|name| kinds::names_a_file(name)) {
            return Err(Fault::bad_request(format!("options.{name}: files of the server cannot be named here"))
                .hint("give the secret itself"));
        }
        if let Some(id) = id {
            for field in self.secrets.secret_fields("integration", id.as_str()).await? {
                if let Some(secret) = self.secrets.secret(&Integration::secret(id, &field)).await? {
                    options.insert(field, secret.reveal().to_owned());
                }
            }
        }
        options.extend(given.iter().map(|(name, secret)| (name.clone(), secret.reveal().to_owned())));
        let prefix = settings.files.as_ref().map_or("", |files| files.prefix.as_str());
        let kind = &settings.kind;
        let scheme =
            kinds::scheme(kind).ok_or_else(|| Fault::bad_request(format!("kind: there is no kind {kind:?}")))?;
        let address = format!("{scheme}://{bucket}/{prefix}");
        Ok(connect_guarded(&address, &RawOptions(options), &self.guard)?.to)
    }
}
