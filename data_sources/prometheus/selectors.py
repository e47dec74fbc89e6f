"""Names from outside as PromQL: quoted, in matchers, in selectors."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence


def quote(text: str) -> str:
    """`text` as a PromQL string: the one way of a name from outside into a query."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def any_of(texts: Iterable[str]) -> str:
    """A quoted regular expression that matches exactly these texts, for `=~`."""
    return quote("|".join(map(re.escape, texts)))


def selector(labels: Mapping[str, str]) -> str:
    """The selector of one series, labels sorted: `up{job="a"}`, `{name="a\\"b"}`, `{}`."""
    metric = labels.get("__name__", "")
    if metric and not re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", metric, re.ASCII):
        metric, first = "", [quote(metric)]  # Prometheus 3: {"any name", job="a"}
    else:
        first = []
    rest = [f"{label_name(name)}={quote(labels[name])}" for name in sorted(labels) if name != "__name__"]
    pairs = ",".join(first + rest)
    return f"{metric}{{{pairs}}}" if pairs or not metric else metric


def label_name(name: str) -> str:
    return name if re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name, re.ASCII) else quote(name)


def equal(label: str, texts: Collection[str]) -> str:
    """The matcher of a label that is one of these texts."""
    return f"{label}={quote(*texts)}" if len(texts) == 1 else f"{label}=~{any_of(texts)}"


def selected(metric: str, matchers: Sequence[str]) -> str:
    """The selector of a metric's series that all these matchers fit."""
    return f"{metric}{{{', '.join(matchers)}}}" if matchers else metric
