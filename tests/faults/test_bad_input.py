"""What cannot be asked is refused by name: on a page in a notice, on a route with 400. Nothing else is touched."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from tests.faults.site import Site

# a query string, and words of its notice
BAD_LINKS = {
    "an unknown range": ({"range": "soon"}, "range "),
    "a range of nothing": ({"range": "0s"}, "range "),
    "a range of a thousand years": ({"range": "365000d"}, "range "),
    "from after to": ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "from must be before"),
    "to alone": ({"to": "2026-03-01T00:00:00Z"}, "from is missing"),
    "a from that is no time": ({"from": "yesterday"}, "from "),
    "an unknown cluster": ({"cluster": "<b>prod</b>"}, "cluster “<b>prod</b>”"),
    "an unknown refresh": ({"refresh": "often"}, "refresh "),
}

BAD_EXPORTS = {
    "source": {"source": "secrets"},
    "q": {"source": "promql", "q": "sum(rate("},
    "range": {"source": "promql", "q": "up", "range": "soon"},
    "from": {"source": "promql", "q": "up", "from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
    "step": {"source": "promql", "q": "up", "range": "30d", "step": "1s"},
    "cluster": {"source": "queues", "cluster": "prod"},
    "shape": {"source": "queues", "shape": "wide"},
    "id": {"source": "inspect", "q": "query_task"},
}


@pytest.mark.parametrize("case", BAD_LINKS)
def test_a_page_names_what_it_cannot_use_and_shows_the_rest(site: Site, case: str) -> None:
    params, notice = BAD_LINKS[case]

    viewer = site.open(urlencode(params))
    viewer.wait_for(lambda: viewer.runs and viewer.cell("queues").get("pending") is False, "the page")

    [told] = viewer.cell("controls")["notices"]
    assert notice in told
    assert [row["failures"] for row in viewer.cell("queues")["rows"]] == [[]]
    assert viewer.errors == []


@pytest.mark.parametrize("parameter", BAD_EXPORTS)
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_an_export_that_cannot_be_asked_is_a_400_that_names_the_parameter(
    site: Site, kind: str, parameter: str
) -> None:
    reply = site.get(f"/export.{kind}?{urlencode(BAD_EXPORTS[parameter])}")

    assert (reply.status, reply.error["parameter"]) == (400, parameter)
    assert reply.error["message"]


@pytest.mark.parametrize("method", ["shutdown", "objgraph", "memdump", "hello", "pool_grow", "Ping", "ping "])
def test_what_is_not_an_inspect_method_is_refused(site: Site, method: str) -> None:
    reply = site.get(f"/export.json?{urlencode({'source': 'inspect', 'q': method})}")

    assert (reply.status, reply.error["parameter"]) == (400, "q")
