"""Explore's sentence: is there a Prometheus, and what does it have to ask about?"""

from __future__ import annotations

from collections.abc import Mapping

from data_sources.answer import Answer
from headlines.headline import Headline, Part, Words
from headlines.overview import count

SET_IT = (
    "Explore asks Prometheus, or what speaks its language: VictoriaMetrics, Thanos, Mimir. Say where one is:",
    "$ PROMETHEUS_URL=http://prometheus:9090 streamlit run dashboard.py",
)
SCRAPE = (
    "Have it scrape something that counts tasks: celery-exporter, Flower, or this dashboard's own /metrics.",
    "A range of another time may have metrics, too.",
)


def explore(answers: Mapping[str, Answer]) -> Headline:
    """From `metrics`, the answer to Metrics(), and `library`, that to Library()."""
    metrics, library = answers["metrics"], answers["library"]
    if metrics.failure and metrics.failure.parameter == "source":
        return Headline(("No Prometheus is configured",), tone="plain", help=SET_IT)
    if metrics.failure:
        return Headline(("Prometheus cannot be asked: ", metrics.failure.what), (metrics.failure.hint,), "bad")
    if metrics.frame.empty:
        return Headline(("Prometheus has no metrics in this range",), tone="plain", help=SCRAPE)
    there = library.frame[library.frame["there"]]
    sentence = ("Ask anything of ", count(len(metrics.frame), "metric", "metrics"))
    if there.empty:
        return Headline(sentence, (Part("None of them", href="#library"), " is of an exporter we know."), "plain")
    known = [*dict.fromkeys(there["family"])]
    families = known[0] if len(known) == 1 else f"{', '.join(known[:-1])} and {known[-1]}"
    context: Words = (Part(count(len(there), "query", "queries"), href="#library"), f" by name, of {families}.")
    return Headline(sentence, context, "good")
