//! Links into the web app.

use model::Told;
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

    /// The page of what a notice is about.
    pub fn told(&self, about: &Told) -> String {
        let family = match about {
            Told::Export(_) => "exports",
            Told::Integration(_) => "integrations",
        };
        let Ok(mut url) = Url::parse(&self.public_url) else { return self.public_url.clone() };
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["projects", about.project().as_str(), family, about.id()]);
        }
        url.into()
    }
}
