//! Links into the web app.

use model::EndedExport;
use url::Url;

use crate::config::settings::ServerSettings;

/// Makes links that people can follow.
#[derive(Clone, Debug)]
pub struct Links {
    public_url: String,
}

impl Links {
    /// Links to this server.
    pub fn new(settings: &ServerSettings) -> Self {
        Self { public_url: settings.public_url() }
    }

    /// The page of an export.
    pub fn export(&self, export: &EndedExport) -> String {
        let Ok(mut url) = Url::parse(&self.public_url) else { return self.public_url.clone() };
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["projects", export.project.as_str(), "exports", export.id.as_str()]);
        }
        url.into()
    }
}
