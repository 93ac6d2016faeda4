//! Log lines on stderr, for people or for collectors.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::registry::LookupSpan;

use super::json::FlatJson;
use crate::config::settings::{LogForm, LogLevel, LogSettings};

/// Tells of every start, at info, that no migration was missing: which nobody needs to know.
const MIGRATIONS: &str = "sea_orm_migration";

/// The layer that prints log lines to `writer`.
pub fn layer<S, W>(settings: &LogSettings, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let migrations = if level == LevelFilter::DEBUG { level } else { level.min(LevelFilter::WARN) };
    let level = Targets::new().with_default(level).with_target(MIGRATIONS, migrations);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match settings.format {
        LogForm::Text => layer.with_target(false).with_ansi(std::io::stderr().is_terminal()).with_filter(level).boxed(),
        LogForm::Json => layer.fmt_fields(JsonFields::new()).event_format(FlatJson).with_filter(level).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Written {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn lines(settings: &LogSettings, tell: impl FnOnce()) -> String {
        let written = Written::default();
        let subscriber = tracing_subscriber::registry().with(layer(settings, written.clone()));
        tracing::subscriber::with_default(subscriber, tell);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_json_line_of_a_run_carries_its_run_and_its_project() {
        let settings = LogSettings { level: LogLevel::Info, format: LogForm::Json };
        let text = lines(&settings, || {
            let _run = tracing::error_span!("run", run.id = %"r1", project.id = "p\"1").entered();
            let _file = tracing::error_span!("file", file.number = 2).entered();
            tracing::info!(file.bytes = 17_u64, ok = true, "file is complete");
            tracing::debug!("not asked for");
        });
        let line: Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(line["run.id"], "r1");
        assert_eq!(line["project.id"], "p\"1");
        assert_eq!(line["file.number"], 2);
        assert_eq!(line["file.bytes"], 17);
        assert_eq!(line["ok"], true);
        assert_eq!(line["message"], "file is complete");
        assert_eq!(line["level"], "info");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn lines_for_people_are_no_json_and_below_the_level_there_are_none() {
        let settings = LogSettings { level: LogLevel::Warn, format: LogForm::Text };
        let text = lines(&settings, || {
            tracing::info!("quiet");
            tracing::warn!(wait = 3, "slow receiver");
        });
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("WARN slow receiver wait=3"), "{text}");
    }
}
