//! Spans for an OpenTelemetry collector, over HTTP with protobuf bodies. Off unless configured.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Fault, FaultKind};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use crate::config::settings::OtlpSettings;
use crate::config::value::Place;

/// A collector that does not answer delays the end of the program by this much at most.
const SHUTDOWN_MAX: Duration = Duration::from_secs(5);

/// One request to the collector takes this long at most.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// Spans on their way to the collector.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sends spans where the settings say; `None` where they say nothing. Nothing is sent yet.
    ///
    /// Requests are made on `runtime`, which has to live until [`Traces::finish`].
    pub fn start(settings: &OtlpSettings, runtime: &Handle) -> Result<Option<Self>, Fault> {
        let Some(endpoint) = &settings.endpoint else { return Ok(None) };
        let headers = headers(settings);
        // The client is made where its connections will live.
        let _entered = runtime.enter();
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_endpoint(traces_url(endpoint))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(REQUEST_MAX)
            .with_headers(headers)
            .build()
            .map_err(|error| {
                Fault::bad_request(format!("otlp.endpoint: cannot send traces to {endpoint}")).because(error)
            })?;
        let resource = Resource::builder()
            .with_service_name("outgest")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        // The wrapper shares the exporter, which can be told of the resource only while it is not shared.
        exporter.set_resource(&resource);
        let exporter = OnRuntime { inner: Arc::new(exporter), runtime: runtime.clone() };
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        Ok(Some(Self { provider }))
    }

    /// The layer that turns our spans into theirs. Spans of libraries are left out.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let ours = Targets::new().with_target("outgest", LevelFilter::INFO);
        tracing_opentelemetry::layer().with_tracer(self.provider.tracer("outgest")).with_filter(ours)
    }

    /// Sends what is left. Called from outside the runtime, before the program ends.
    pub fn finish(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(SHUTDOWN_MAX) {
            tracing::warn!(cause = %error, "the last traces did not reach the collector");
        }
    }
}

/// Sends a request without spans, which a collector accepts and forgets.
pub async fn check(settings: &OtlpSettings) -> Result<(), Fault> {
    let Some(endpoint) = &settings.endpoint else { return Ok(()) };
    let cannot = |kind, why: &str| Fault::new(kind, format!("cannot send traces to {endpoint}: {why}"));
    let client = reqwest::Client::builder().timeout(REQUEST_MAX).build();
    let client = client.map_err(|error| Fault::bug("cannot make an HTTP client").because(error))?;
    let mut request = client.post(traces_url(endpoint)).header("content-type", "application/x-protobuf");
    for (name, value) in headers(settings) {
        request = request.header(name, value);
    }
    let answer = request.send().await.map_err(|error| {
        let why = if error.is_timeout() { "no answer in time" } else { "it cannot be reached" };
        cannot(FaultKind::Unavailable, why).because(error.without_url())
    })?;
    match answer.status().as_u16() {
        200..=299 => Ok(()),
        status @ (401 | 403) => {
            Err(cannot(FaultKind::Credentials, &format!("HTTP {status}")).hint("check otlp.headers"))
        }
        status => Err(cannot(FaultKind::Rejected, &format!("HTTP {status}"))
            .hint("otlp.endpoint is the collector's HTTP address without /v1/traces, usually port 4318")),
    }
}

fn traces_url(endpoint: &Place) -> String {
    format!("{}/v1/traces", endpoint.reveal().trim_end_matches('/'))
}

/// `name=value` pairs, separated by commas, as the collector's own variable has them.
fn headers(settings: &OtlpSettings) -> HashMap<String, String> {
    let text = settings.headers.as_ref().map_or("", |headers| headers.0.reveal());
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// Exports on the runtime: batches are cut on a thread of their own, where no connection can be made.
#[derive(Debug)]
struct OnRuntime {
    inner: Arc<opentelemetry_otlp::SpanExporter>,
    runtime: Handle,
}

impl SpanExporter for OnRuntime {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let inner = Arc::clone(&self.inner);
        let exported = self.runtime.spawn(async move { inner.export(batch).await });
        exported.await.unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string())))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }
}
