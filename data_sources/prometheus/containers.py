"""cAdvisor's metrics by container, whichever way it names them."""

from __future__ import annotations

from collections.abc import Sequence

from data_sources.prometheus.selectors import selected

DOCKER = ('name!=""', 'pod=""')
ID = ".*[/-]{}[0-9a-f]{{12}}{}[0-9a-f]{{52}}([.]scope)?"  # of a control group, whichever driver made it
KUBERNETES = ('pod!=""', 'container!=""', 'container!="POD"')  # without pause containers (POD) and totals of pods


def by_container(metric: str, matchers: Sequence[str], real: str = "", of: str = "{}") -> str:
    """A metric by container: Docker's name, or Kubernetes' namespace/pod/container; what is scraped twice is folded.

    `of` is what is made of its series, such as a rate.
    """
    return f"""\
max by (container) (
  label_join(
    {of.format(selected(metric, [*matchers, *DOCKER]))}{real},
    "container", "", "name"
  )
  or
  label_join(
    {of.format(selected(metric, [*matchers, *KUBERNETES]))}{real},
    "container", "/", "namespace", "pod", "container"
  )
)"""


def memory(matchers: Sequence[str]) -> str:
    return by_container("container_memory_usage_bytes", matchers)


def memory_by_hostname(matchers: Sequence[str]) -> str:
    """By the host name that Docker gives a container which is told none: its id's first 12 digits."""
    docker = [*matchers, 'pod=""', f'id=~"{ID.format("", "")}"']
    return f"""\
max by (hostname) (
  label_replace(
    {selected("container_memory_usage_bytes", docker)},
    "hostname", "$1", "id", "{ID.format("(", ")")}"
  )
)"""


def memory_limit(matchers: Sequence[str]) -> str:
    # no limit is 0 in one cgroup version and about 9e18 in the other
    return by_container("container_spec_memory_limit_bytes", matchers, " > 0 < 1e15")


def cpu(matchers: Sequence[str], window: str) -> str:
    used = f"sum without (cpu) (rate({{}}[{window}]))"
    return by_container("container_cpu_usage_seconds_total", matchers, of=used)


def received(matchers: Sequence[str], window: str) -> str:
    came = f"sum without (interface) (rate({{}}[{window}]))"
    return by_container("container_network_receive_bytes_total", matchers, of=came)


def restarts(matchers: Sequence[str]) -> str:
    """In an hour; of several within 15 s one."""
    # Kubernetes starts another container under the same name, a series of its own: so first the newest, then changes
    newest = by_container("container_start_time_seconds", matchers).replace("\n", "\n  ")
    return f"changes(\n  {newest}[1h:15s]\n)"
