"""Prometheus metrics, under TEI's names and in its buckets."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from edgembed.service.http import Record
from edgembed.service.service import Service

# TEI's duration buckets, in seconds, and its buckets of lengths, in tokens.
_DURATIONS = tuple(0.00001 * 1.5**power for power in range(1, 36))
_LENGTHS = tuple(float(2**power) for power in range(20))
_PARTS = ("tokenization", "queue", "inference")


class Metrics:
    """Counts records; figures and names of routes only."""

    def __init__(self, service: Service) -> None:
        """Metrics of one service, in a registry of their own."""
        own = CollectorRegistry(auto_describe=False)
        longest = service.model.manifest.max_seq_length
        self._count = Counter("te_request_count", "Requests", ["method"], registry=own)
        self._success = Counter("te_request_success", "Requests done", ["method"], registry=own)
        self._failure = Counter("te_request_failure", "Requests refused", ["err"], registry=own)
        self._truncated = Counter("te_request_truncated", "Texts cut", registry=own)
        self._request = _durations("te_request", "a request (means over its texts)", own)
        self._texts = Counter("te_embed_count", "Texts to embed", registry=own)
        self._embedded = Counter("te_embed_success", "Texts embedded", registry=own)
        self._embed = _durations("te_embed", "a text", own)
        lengths = [bucket for bucket in _LENGTHS if bucket <= longest]
        self._length = Histogram(
            "te_request_input_length", "Tokens of a text", buckets=lengths, registry=own
        )
        queue = Gauge("te_queue_size", "Texts that wait for a worker", registry=own)
        queue.set_function(service.workers.waiting)
        ProcessCollector(registry=own)
        self._shown = CollectorRegistry(auto_describe=False)
        self._shown.register(_TEINames(own))

    def text(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self._shown)

    def observe(self, record: Record, embeds: bool) -> None:
        """Count a request that has been answered; embeds: its texts were embedded."""
        if record.input is not None:
            self._count.labels(record.input).inc()
            if embeds:
                self._texts.inc(record.texts)
        if record.error is not None:
            self._failure.labels(record.error).inc()
        elif record.input is not None:
            self._success.labels(record.input).inc()
            self._observe_success(record, embeds)

    def _observe_success(self, record: Record, embeds: bool) -> None:
        self._request[""].observe(record.total_seconds)
        for part in _PARTS:
            self._request[part].observe(getattr(record, f"{part}_seconds"))
        if not embeds:
            return
        self._truncated.inc(record.truncated)
        self._embedded.inc(record.texts)
        for text in record.each:
            self._length.observe(text.tokens)
            parts = (text.tokenization_seconds, text.queue_seconds, text.inference_seconds)
            self._embed[""].observe(sum(parts))
            for part, seconds in zip(_PARTS, parts, strict=True):
                self._embed[part].observe(seconds)


def _durations(prefix: str, what: str, registry: CollectorRegistry) -> dict[str, Histogram]:
    """Histograms of the whole, under "", and of its parts, in seconds."""
    names = {"": f"{prefix}_duration", **{p: f"{prefix}_{p}_duration" for p in _PARTS}}
    return {
        part: Histogram(name, f"Seconds of {what}", buckets=_DURATIONS, registry=registry)
        for part, name in names.items()
    }


class _TEINames(Collector):
    """Counters without the suffix "_total", which prometheus-client adds and TEI has not.

    Without it they are no counters to the text format, so they are shown untyped.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """The registry's metrics under their own names."""
        for metric in self._registry.collect():
            own = metric.name.startswith("te_")
            counter = own and metric.type == "counter"
            shown = Metric(metric.name, metric.documentation, "unknown" if counter else metric.type)
            for sample in metric.samples:
                if own and sample.name.endswith("_created"):
                    continue
                name = sample.name.removesuffix("_total") if counter else sample.name
                shown.add_sample(name, sample.labels, sample.value)
            yield shown
