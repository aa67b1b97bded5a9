//! Spans of looks and their stages, to a collector by OTLP over HTTP (cargo feature `otlp`).
//!
//! A thread of its own sends them in batches. Where the collector is away, or slower than we are, they are
//! dropped, with one warning: no look ever waits for it. Only [`Traces::end`] blocks, for [`FLUSH`] at most.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter as Exports,
};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::{Layer, Registry};

use super::logs::Output;
use super::stages::TARGET;

/// Longest wait for the collector's answer to one batch.
const ANSWER: Duration = Duration::from_secs(3);
/// Longest wait at the end for what is left to be sent.
pub const FLUSH: Duration = Duration::from_secs(3);
/// Spans that wait to be sent; some 4 MB, and 20 s of a burst.
const QUEUE: usize = 8192;
/// Spans a batch.
const BATCH: usize = 512;
/// Between two batches that are not full.
const DELAY: Duration = Duration::from_secs(1);

/// Where spans go, until the end.
pub struct Traces {
    provider: SdkTracerProvider,
}

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("--otlp-endpoint {endpoint}: no spans can be sent there")]
pub struct TracesError {
    endpoint: String,
    source: ExporterBuildError,
}

impl Traces {
    /// Sends them to the collector with this base URL. Nothing is sent yet.
    pub fn to(endpoint: &str) -> Result<Self, TracesError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(ANSWER)
            .build()
            .map_err(|source| TracesError {
                endpoint: endpoint.to_owned(),
                source,
            })?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let batches = BatchSpanProcessor::builder(Told::new(exporter))
            .with_batch_config(config)
            .build();
        let resource = Resource::builder()
            .with_service_name("dillinger-runner")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("process.pid", i64::from(std::process::id())))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(batches)
            .with_resource(resource)
            .build();
        Ok(Traces { provider })
    }

    /// What hands our spans over. Its filter is its own: the log level neither shows nor hides a span.
    pub fn layer(&self) -> Output {
        let ours = filter_fn(|what| what.is_span() && what.target() == TARGET);
        tracing_opentelemetry::layer::<Registry>()
            .with_tracer(self.provider.tracer("dillinger-runner"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(ours.with_max_level_hint(LevelFilter::TRACE))
            .boxed()
    }

    /// Sends what is left to be sent; what is not sent in time is lost.
    pub fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// An exporter whose failures are told: once for as long as they last.
#[derive(Debug)]
struct Told<E> {
    exporter: E,
    failing: AtomicBool,
}

impl<E> Told<E> {
    fn new(exporter: E) -> Self {
        Told {
            exporter,
            failing: AtomicBool::new(false),
        }
    }
}

impl<E: Exports> Exports for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        let failed_before = self.failing.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !failed_before => {
                tracing::warn!(%error, "spans do not reach the collector and are dropped");
            }
            Ok(()) if failed_before => tracing::info!("spans reach the collector again"),
            Ok(()) | Err(_) => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use futures::executor::block_on;
    use opentelemetry_sdk::error::OTelSdkError;
    use tracing_subscriber::layer::SubscriberExt;

    use super::super::logs::lines;
    use super::super::logs::tests::Kept;
    use super::*;
    use crate::config::LogFormat;

    /// Fails while it is told to.
    #[derive(Debug)]
    struct Fake(AtomicBool);

    impl Exports for Fake {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            if self.0.load(Ordering::Relaxed) {
                return Err(OTelSdkError::InternalFailure(
                    "connection refused".to_owned(),
                ));
            }
            Ok(())
        }
    }

    #[test]
    fn a_collector_that_is_away_is_one_warning_for_as_long_as_it_lasts() {
        let kept = Kept::default();
        let (output, _) = lines(LogFormat::Text, "info", kept.clone()).unwrap();
        let subscriber = tracing_subscriber::registry().with(vec![output]);
        let _guard = tracing::subscriber::set_default(subscriber);
        let told = Told::new(Fake(AtomicBool::new(true)));
        let export = || block_on(told.export(Vec::new())).is_ok();
        for _ in 0..3 {
            assert!(!export());
        }
        let lines = kept.take();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("connection refused"), "{lines:?}");
        told.exporter.0.store(false, Ordering::Relaxed);
        for _ in 0..3 {
            assert!(export());
        }
        assert_eq!(kept.take().len(), 1, "and it is told that it is back");
    }

    #[test]
    fn a_collector_that_never_answers_holds_up_neither_the_spans_nor_the_end() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let traces = Traces::to(&url).unwrap();
        let subscriber = tracing_subscriber::registry().with(vec![traces.layer()]);
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..2 * QUEUE {
                drop(tracing::trace_span!(target: TARGET, "look"));
            }
        });
        traces.end();
        assert!(silent.accept().is_ok(), "it was asked");
    }
}
