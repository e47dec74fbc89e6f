"""A bundle: sealed answers as a file on this machine, which a dashboard shows and asks no source.

streamlit run dashboard.py -- bundle.zip
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_sources.config import Broker, Cluster, Secret, Settings
from data_sources.errors import ConfigError
from data_sources.sealed.answers import Sealed
from data_sources.sealed.bounded_zip import MOST_BYTES
from data_sources.sealed.file import BrokenSeal, read

ID = "bundle"  # what stands for it in a URL, where a snapshot has its id


def named(arguments: Sequence[str]) -> Sealed | None:
    """The bundle that the command line names, if it does. Raises ConfigError, which says what is wrong with it."""
    if not arguments:
        return None
    name = arguments[0]
    if len(arguments) > 1:
        raise ConfigError("the command line", "may name one bundle: streamlit run dashboard.py -- bundle.zip")
    try:
        with Path(name).open("rb") as file:
            return read(file.read(MOST_BYTES + 1))
    except OSError as error:
        raise ConfigError(name, f"cannot be read: {error.strerror or type(error).__name__}") from None
    except BrokenSeal as error:
        raise ConfigError(name, str(error)) from None


def settings_for(bundle: Sealed, settings: Settings, folder: str) -> Settings:
    """Those of a dashboard that shows it: its clusters, none of the sources, and nobody who may change something.

    What people keep meanwhile is kept in `folder`.
    """
    transports = {place.cluster: place.transport for place in bundle.places}
    clusters = tuple(Cluster(name, Broker(transport=transport)) for name, transport in transports.items())
    access = replace(settings.access, operators=(), local_operator=False)
    return replace(settings, clusters=clusters or (Cluster(),), access=access, history_url=Secret(f"sqlite://{folder}"))
