//! Where the files of exports are kept until they expire: a destination and the folder in it.

use std::sync::Arc;

use model::{Destination, Fault, FileName, RawOptions};
use pipeline::FileLayout;

use crate::config;
use crate::export::Request;

/// The place that the server keeps exports in.
#[derive(Clone)]
pub struct Place {
    /// The destination.
    pub destination: Arc<dyn Destination>,
    /// What every key begins with: empty, or a folder with its slash.
    prefix: String,
}

impl Place {
    /// Connects the place that `text` names: a folder, or a URL. Nothing is sent.
    pub fn connect(text: &str) -> Result<Self, Fault> {
        // Only a folder makes sense, whether its name ends in a slash or not.
        let folder = match text.split_once('?') {
            Some((place, options)) if text.contains("://") => format!("{}/?{options}", place.trim_end_matches('/')),
            _ => format!("{}/", text.trim_end_matches('/')),
        };
        let connected = destinations::connect(&folder, &RawOptions::default(), &config::environment)?;
        let limits = connected.to.limits();
        if !limits.manifests {
            return Err(Fault::bad_request(format!("exports cannot be kept in {}", connected.to))
                .hint("name a folder, or s3://, az:// or gs://"));
        }
        let path = connected.path.trim_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        Ok(Self { destination: connected.to, prefix })
    }

    /// The key of a file.
    pub fn key(&self, file: &FileName) -> Result<FileName, Fault> {
        FileName::new(format!("{}{file}", self.prefix))
    }

    /// The files of an export.
    pub fn layout(&self, request: &Request, file: &FileName) -> Result<FileLayout, Fault> {
        let key = self.key(file)?;
        let (format, options) = (request.format.descriptor(), &request.format_options);
        let mut layout = FileLayout::of_path(key.as_str(), format, options.compression);
        layout.manifest = Some(FileName::new(format!("{key}.manifest.json"))?);
        Ok(layout)
    }
}
