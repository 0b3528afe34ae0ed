//! What is told to whoever watches: a log on stderr, and with the feature `otel` an OpenTelemetry collector.

use linchpin_runtime::observe;
use tracing::Level;
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{self, format::FmtSpan},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::exit::Failure;

/// Begins to tell, as long as what it gives is there. Without a level and a collector nothing is set up.
pub(crate) fn start(level: Option<Level>) -> Result<Telemetry, Failure> {
    let telemetry = Telemetry::start()?;
    let log = level.map(|level| {
        // The spans of calls and requests are lines when they end; measurements are no lines.
        let targets = Targets::new().with_target(observe::SPANS, level).with_target(observe::METRICS, None);
        fmt::layer()
            .with_writer(std::io::stderr)
            .with_span_events(FmtSpan::CLOSE)
            .with_ansi(false)
            .with_filter(targets)
    });
    let subscriber = tracing_subscriber::registry().with(log);
    #[cfg(feature = "otel")]
    let subscriber = subscriber.with(telemetry.layer());
    if level.is_some() || telemetry.is_on() {
        // A program that has set up its own keeps it.
        let _ = subscriber.try_init();
    }
    Ok(telemetry)
}

#[cfg(not(feature = "otel"))]
mod collector {
    use crate::exit::Failure;

    /// Nothing: this build knows no collector.
    #[derive(Debug)]
    pub(crate) struct Telemetry;

    impl Telemetry {
        #[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
        pub(super) fn start() -> Result<Telemetry, Failure> {
            Ok(Telemetry)
        }

        #[expect(clippy::unused_self, reason = "with the feature it knows")]
        pub(super) fn is_on(&self) -> bool {
            false
        }
    }
}

#[cfg(feature = "otel")]
mod collector {
    use linchpin_runtime::observe;
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_otlp::{
        HttpExporterBuilderSet, MetricExporter, MetricExporterBuilder, SpanExporter, SpanExporterBuilder,
    };
    use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider, trace::SdkTracerProvider};
    use tracing::{Level, Subscriber};
    use tracing_opentelemetry::{MetricsLayer, OpenTelemetryLayer};
    use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

    use crate::exit::Failure;

    /// The variables of which one names a collector (OpenTelemetry, "OTLP Exporter Configuration").
    const ENDPOINTS: [&str; 3] = [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    ];

    /// What goes to a collector over OTLP with protobuf, where the environment names one; what is left goes when it is dropped.
    #[derive(Debug)]
    pub(crate) struct Telemetry(Option<(SdkTracerProvider, SdkMeterProvider)>);

    impl Telemetry {
        pub(super) fn start() -> Result<Telemetry, Failure> {
            let named = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            match ENDPOINTS.iter().any(named) {
                // Where to, the exporters read from the environment themselves.
                true => {
                    Telemetry::to(SpanExporter::builder().with_http(), MetricExporter::builder().with_http())
                }
                false => Ok(Telemetry(None)),
            }
        }

        fn to(
            spans: SpanExporterBuilder<HttpExporterBuilderSet>,
            metrics: MetricExporterBuilder<HttpExporterBuilderSet>,
        ) -> Result<Telemetry, Failure> {
            // Somebody else's provider is as good: this fails only when there is one.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let unfit = |error: opentelemetry_otlp::ExporterBuildError| {
                Failure::usage(format!("the collector that the environment names cannot be told: {error}"))
            };
            let (spans, metrics) = (spans.build().map_err(unfit)?, metrics.build().map_err(unfit)?);
            let resource = match std::env::var_os("OTEL_SERVICE_NAME") {
                Some(_) => Resource::builder().build(),
                None => Resource::builder().with_service_name("linchpin").build(),
            };
            let spans = SdkTracerProvider::builder()
                .with_batch_exporter(spans)
                .with_resource(resource.clone())
                .build();
            let metrics =
                SdkMeterProvider::builder().with_periodic_exporter(metrics).with_resource(resource).build();
            Ok(Telemetry(Some((spans, metrics))))
        }

        pub(super) fn is_on(&self) -> bool {
            self.0.is_some()
        }

        pub(super) fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
        where
            S: Subscriber + for<'a> LookupSpan<'a>,
        {
            let (spans, metrics) = self.0.as_ref()?;
            let only = |target: &'static str| Targets::new().with_target(target, Level::INFO);
            let spans = OpenTelemetryLayer::new(spans.tracer("linchpin"))
                .with_filter(only(observe::SPANS).with_target(observe::METRICS, None));
            let metrics = MetricsLayer::new(metrics.clone()).with_filter(only(observe::METRICS));
            Some(spans.and_then(metrics))
        }
    }

    impl Drop for Telemetry {
        fn drop(&mut self) {
            if let Some((spans, metrics)) = self.0.take() {
                let ended = (spans.shutdown(), metrics.shutdown());
                if let (Err(error), _) | (_, Err(error)) = ended {
                    eprintln!("note: the collector did not get everything: {error}");
                }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use std::{
            io::{Read, Write},
            net::{TcpListener, TcpStream},
        };

        use opentelemetry_otlp::WithExportConfig;
        use tracing_subscriber::layer::SubscriberExt;

        use super::*;

        /// Takes a request, and gives its whole text.
        fn take(mut stream: TcpStream) -> String {
            let (mut text, mut piece) = (Vec::new(), [0; 4096]);
            let whole = |text: &[u8]| {
                let shown = String::from_utf8_lossy(text).to_lowercase();
                let (head, _) = shown.split_once("\r\n\r\n")?;
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
                Some(text.len() >= head.len() + 4 + length.parse::<usize>().ok()?)
            };
            while whole(&text) != Some(true) {
                let count = stream.read(&mut piece).unwrap();
                assert!(count > 0, "{}", String::from_utf8_lossy(&text));
                text.extend_from_slice(&piece[..count]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            String::from_utf8_lossy(&text).into_owned()
        }

        #[test]
        fn what_is_left_is_sent_when_the_command_ends() {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let place = format!("http://{}", listener.local_addr().unwrap());
            let telemetry = Telemetry::to(
                SpanExporter::builder().with_http().with_endpoint(format!("{place}/v1/traces")),
                MetricExporter::builder().with_http().with_endpoint(format!("{place}/v1/metrics")),
            );
            let telemetry = telemetry.unwrap_or_else(|_| panic!("no collector"));
            let subscriber = tracing_subscriber::registry().with(telemetry.layer());
            tracing::subscriber::with_default(subscriber, || {
                let _span =
                    tracing::info_span!(target: observe::SPANS, "linchpin.flow", flow = "get_me").entered();
                tracing::event!(target: observe::METRICS, Level::INFO, "monotonic_counter.calls" = 1_u64);
                tracing::info!(target: "else", "is not told");
            });
            let got = std::thread::spawn(move || {
                let mut got: Vec<String> = (0..2).map(|_| take(listener.accept().unwrap().0)).collect();
                got.sort();
                got
            });
            drop(telemetry);
            let got = got.join().unwrap();
            assert!(got[0].starts_with("POST /v1/metrics ") && got[0].contains("calls"), "{}", got[0]);
            assert!(got[1].starts_with("POST /v1/traces "), "{}", got[1]);
            assert!(got[1].contains("linchpin.flow") && got[1].contains("get_me"), "{}", got[1]);
            assert!(!got[1].contains("is not told"), "{}", got[1]);
        }
    }
}

pub(crate) use collector::Telemetry;
