//! The recorder behind `/metrics`.

use std::sync::Mutex;
use std::time::Duration;

use jobs::metrics::{ALL, KeepUp, MetricKind};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use model::{Fault, JobStore, Micros, QueueFigures, Stop};

use crate::process::Usage;

/// Scrapes are usually half a minute apart.
const QUEUE_EVERY: Duration = Duration::from_secs(10);

/// The figures of this process and of the queue it looks at.
pub struct Metrics {
    handle: PrometheusHandle,
    keep_up: Mutex<KeepUp>,
}

impl Metrics {
    /// Installs the recorder of this process. There can be one.
    pub fn install() -> Result<Self, Fault> {
        let recorder = recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder)
            .map_err(|error| Fault::bug("a recorder of metrics was installed already").because(error.to_string()))?;
        jobs::metrics::describe();
        Ok(Self { handle, keep_up: Mutex::default() })
    }

    /// Keeps the figures of the queue up to date until `stop` is raised, so that a scrape never waits for the
    /// store.
    pub async fn follow(&self, queue: &dyn JobStore, now: fn() -> Micros, stop: &Stop) {
        while stop.reason().is_none() {
            match queue.figures().await {
                Ok(figures) => self.queue(&figures, now()),
                // Whoever works with the store tells why; stale figures are better than wrong ones.
                Err(fault) => tracing::debug!(fault = %fault, "the queue's figures cannot be read"),
            }
            tokio::select! {
                () = tokio::time::sleep(QUEUE_EVERY) => {}
                _ = stop.raised() => {}
            }
        }
    }

    fn queue(&self, figures: &QueueFigures, now: Micros) {
        let keep_up = {
            let mut keep_up = self.keep_up.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            keep_up.ratio(now, figures.oldest_wait)
        };
        jobs::metrics::queue(figures, keep_up);
    }

    /// Everything in Prometheus' text form. Figures of the process are taken now.
    pub fn render(&self) -> String {
        let usage = Usage::now();
        jobs::metrics::process(env!("CARGO_PKG_VERSION"), usage.memory_bytes, usage.cpu_seconds);
        self.handle.run_upkeep();
        self.handle.render()
    }
}

fn recorder() -> PrometheusRecorder {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let MetricKind::Histogram(buckets) = metric.kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
                .expect("a histogram of ours has buckets");
        }
    }
    builder.build_recorder()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::{ByteCount, JobKind, JobState, RowCount};

    use super::*;

    fn document(name: &str) -> String {
        let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Words that can only be names of our metrics, without the endings that histograms add.
    fn metrics_named_in(text: &str) -> BTreeSet<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("outgest_") || word.starts_with("process_"))
            .map(|word| {
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
                let histogram =
                    |name: &&str| ALL.iter().any(|m| m.name == *name && matches!(m.kind, MetricKind::Histogram(_)));
                base.filter(histogram).unwrap_or(word).to_owned()
            })
            .collect()
    }

    #[test]
    fn alerts_and_dashboard_name_only_metrics_that_exist() {
        let known: BTreeSet<String> = ALL.iter().map(|metric| metric.name.to_owned()).collect();
        for name in ["alerts.yml", "dashboard.json"] {
            let named = metrics_named_in(&document(name));
            let unknown: Vec<_> = named.difference(&known).collect();
            assert!(unknown.is_empty(), "{name} names {unknown:?}");
        }
        let shown = metrics_named_in(&document("dashboard.json"));
        let missing: Vec<_> = known.difference(&shown).collect();
        assert!(missing.is_empty(), "the dashboard does not show {missing:?}");
    }

    #[test]
    fn alerts_and_dashboard_select_by_labels_that_exist() {
        let labels: BTreeSet<&str> = ALL.iter().flat_map(|metric| metric.labels).copied().collect();
        for name in ["alerts.yml", "dashboard.json"] {
            let text = document(name);
            for selector in text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(inner, _)| inner) {
                let Some((label, _)) = selector.split_once(['=', '!', '~']) else { continue };
                let word = label.trim();
                // JSON and templates have braces as well; a selector starts with a bare word.
                if !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                    assert!(labels.contains(word), "{name} selects by {word}");
                }
            }
        }
    }

    #[test]
    fn the_dashboard_is_json_with_a_query_in_every_panel() {
        let dashboard: serde_json::Value = serde_json::from_str(&document("dashboard.json")).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        assert!(panels.len() >= 8);
        for panel in panels {
            assert!(panel["targets"][0]["expr"].as_str().is_some_and(|expr| !expr.is_empty()), "{panel}");
        }
    }

    #[test]
    fn what_is_recorded_is_rendered_with_its_labels_and_buckets() {
        let recorder = recorder();
        let handle = recorder.handle();
        let keep_up = Mutex::default();
        let text = metrics::with_local_recorder(&recorder, || {
            jobs::metrics::describe();
            let took = Duration::from_secs(3);
            jobs::metrics::run_ended(JobKind::Export, JobState::Failed, Some("credentials"), took);
            jobs::metrics::retried(JobKind::File, "throttled");
            jobs::metrics::written(RowCount(5), ByteCount(700));
            jobs::metrics::running(2, 12.5);
            jobs::metrics::notice("mail", "sent");
            let figures = QueueFigures {
                active: vec![(JobKind::Export, JobState::Queued, 4)],
                oldest_wait: Duration::from_secs(9),
            };
            let metrics = Metrics { handle: handle.clone(), keep_up };
            metrics.queue(&figures, Micros(1));
            metrics.render()
        });
        for line in [
            "outgest_runs_total{kind=\"export\",state=\"failed\",fault=\"credentials\"} 1",
            "outgest_run_seconds_bucket{kind=\"export\",state=\"failed\",le=\"5\"} 1",
            "outgest_run_seconds_bucket{kind=\"export\",state=\"failed\",le=\"1\"} 0",
            "outgest_retries_total{kind=\"file\",fault=\"throttled\"} 1",
            "outgest_rows_total 5",
            "outgest_bytes_total 700",
            "outgest_jobs_running 2",
            "outgest_bytes_per_second 12.5",
            "outgest_notices_total{channel=\"mail\",outcome=\"sent\"} 1",
            "outgest_queue_jobs{kind=\"export\",state=\"queued\"} 4",
            "outgest_queue_jobs{kind=\"file\",state=\"running\"} 0",
            "outgest_lag_seconds 9",
            "outgest_keep_up_ratio 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
        for metric in ALL {
            assert!(text.contains(&format!("# HELP {} ", metric.name)), "{} is not rendered:\n{text}", metric.name);
        }
    }
}
