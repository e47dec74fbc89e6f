"""Controls: what the URL says becomes the view; what it cannot mean is named, and nothing breaks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from cells import controls
from cells.controls import said
from cells.page_view import SHARED, View, link_params, read
from data_sources.fields import MAX_NAME
from data_sources.scope import MAX_RANGE, Range, Scope

CLUSTERS = ("shop", "mail")
HOUR = Range(span=timedelta(hours=1))
MARCH = {"from": "2026-03-01T10:00:00Z", "to": "2026-03-01T11:00:00Z"}
HOSTILE = "<img src=x onerror=alert(1)>" + "x" * 100_000


def test_a_bare_url_is_the_last_hour_of_the_first_cluster_refreshed_every_five_seconds() -> None:
    assert read({}, CLUSTERS) == View(Scope("shop", HOUR, max_age=timedelta(seconds=5)), timedelta(seconds=5), ())


def test_every_parameter_has_its_say() -> None:
    view = read({"range": "6h", "refresh": "30s", "cluster": "mail"}, CLUSTERS)
    scope = Scope("mail", Range(span=timedelta(hours=6)), max_age=timedelta(seconds=30))
    assert view == View(scope, timedelta(seconds=30), ())


def test_from_and_to_freeze_the_view_and_stand_before_range() -> None:
    view = read({**MARCH, "range": "6h"}, CLUSTERS)
    start = datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert view.scope.range == Range(start=start, end=start + timedelta(hours=1))
    assert view.notices == ()


def test_empty_parameters_are_the_defaults() -> None:
    assert read(dict.fromkeys(SHARED, ""), CLUSTERS) == read({}, CLUSTERS)


@pytest.mark.parametrize("off", ["0", "off"])
def test_refreshing_can_be_off(off: str) -> None:
    view = read({"refresh": off}, CLUSTERS)
    assert (view.refresh, view.notices, view.scope.max_age) == (None, (), timedelta(seconds=5))


def test_whoever_refreshes_seldom_still_sees_a_recent_answer_on_arrival() -> None:
    view = read({"refresh": "1h"}, CLUSTERS)
    assert (view.refresh, view.scope.max_age) == (timedelta(hours=1), timedelta(minutes=1))


@pytest.mark.parametrize(
    ("params", "notice"),
    [
        ({"range": "1y"}, "range “1y” is not a duration; write 15m, 6h or 7d. Showing the last hour instead."),
        ({"range": "0"}, "range must be longer than nothing and at most 366d. Showing the last hour instead."),
        ({"range": "999999999w"}, "range must be longer than nothing and at most 366d. Showing the last hour instead."),
        ({"to": MARCH["to"]}, "from is missing: `to` needs it. Showing the last hour instead."),
        ({"from": MARCH["to"], "to": MARCH["from"]}, "from must be before `to`. Showing the last hour instead."),
        ({"from": "0", "to": MARCH["to"]}, "from is more than 366 days before `to`. Showing the last hour instead."),
        ({"refresh": "often"}, "refresh “often” is not a duration; write 15m, 6h or 7d. Refreshing every 5s instead."),
        ({"refresh": "0.001"}, "refresh must be off, or from 1s to 1h. Refreshing every 5s instead."),
        ({"refresh": "30d"}, "refresh must be off, or from 1s to 1h. Refreshing every 5s instead."),
        ({"cluster": "Shop"}, "There is no cluster “Shop”. Showing shop instead."),
    ],
)
def test_what_cannot_be_used_is_named_and_the_default_taken(params: dict[str, str], notice: str) -> None:
    assert read(params, CLUSTERS) == View(read({}, CLUSTERS).scope, timedelta(seconds=5), (notice,))


def test_each_wrong_parameter_is_named_and_the_right_ones_still_count() -> None:
    view = read({"range": "x", "refresh": "x", "cluster": "mail"}, CLUSTERS)
    assert [notice.split()[0] for notice in view.notices] == ["range", "refresh"]
    assert view.scope.cluster == "mail"


@pytest.mark.parametrize("name", SHARED)
def test_a_huge_hostile_value_makes_a_short_notice(name: str) -> None:
    (notice,) = read({"from": "1", "to": "2", name: HOSTILE} if name == "to" else {name: HOSTILE}, CLUSTERS).notices
    assert name in notice
    assert len(notice) < 200


texts = st.text(max_size=12) | st.sampled_from(["5m", "1e9", "-1", "0", "٣h", "nan", "99999999999", "2026-03-01"])


@given(st.dictionaries(st.sampled_from(SHARED), texts))
def test_any_url_gives_a_view_within_its_bounds_that_its_own_link_gives_again(params: dict[str, str]) -> None:
    view = read(params, CLUSTERS)
    assert timedelta(0) < view.scope.range.length <= MAX_RANGE
    assert view.scope.cluster in CLUSTERS
    assert view.refresh is None or timedelta(seconds=1) <= view.refresh <= timedelta(hours=1)
    assert view.scope.max_age <= timedelta(minutes=1)
    assert read(link_params(view), CLUSTERS) == View(view.scope, view.refresh, ())


# --- writing the URL --------------------------------------------------------------------------------------------


Params = dict[str, str | list[str]]


def page(change: dict[str, str], before: Params) -> Params:
    """The URL's parameters after a page has set `change`."""

    def script(change: dict[str, str]) -> None:
        from cells.controls import set_params

        set_params(change)

    app = AppTest.from_function(script, args=(change,), default_timeout=60)
    for name, value in before.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return dict(app.query_params)


def test_a_new_range_replaces_the_frozen_time_and_the_zoom_in_it_in_one_go() -> None:
    before: Params = {"from": "1", "to": "2", "zoom": "3/4", "refresh": "10s", "cluster": "mail"}
    assert page({"range": "6h"}, before) == {"range": "6h", "refresh": "10s", "cluster": "mail"}


def test_a_frozen_time_replaces_the_range() -> None:
    assert page({"from": "1", "to": "2"}, {"range": "6h", "zoom": "3/4"}) == {"from": "1", "to": "2"}


def test_any_other_change_leaves_the_time_and_the_zoom() -> None:
    before: Params = {"range": "6h", "zoom": "3/4"}
    assert page({"refresh": "0"}, before) == before | {"refresh": "0"}


def test_what_belongs_to_others_stays_also_when_it_is_given_more_than_once() -> None:
    before: Params = {"tz": "UTC", "workers.sort": "-active", "queue": ["a", "b"]}
    assert page({"cluster": "mail"}, before) == before | {"cluster": "mail"}


def test_an_empty_value_takes_a_parameter_out() -> None:
    assert page({"cluster": ""}, {"cluster": "mail", "range": "6h"}) == {"range": "6h"}


def test_a_tick_that_crossed_a_change_on_its_way_does_not_take_it_back() -> None:
    def script() -> None:
        import streamlit as st

        from cells import controls

        runs = st.session_state.setdefault("runs", [])
        runs.append(st.query_params["range"])
        if len(runs) == 1:
            controls.set_params({"range": "6h"})
        if len(runs) == 2:
            controls.run_anew()

    app = AppTest.from_function(script, default_timeout=60)
    app.query_params["range"] = "1h"
    app.run()
    app.query_params.clear()
    for name, value in {"range": "1h", "zoom": "3/4"}.items():  # as the browser had it when it sent the tick
        app.query_params[name] = value
    app.run()
    assert not app.exception
    assert app.session_state["runs"] == ["1h", "1h", "6h"]
    assert dict(app.query_params) == {"range": "6h"}


@pytest.mark.parametrize("change", [None, "range=6h", 3, []])
def test_a_change_that_is_no_object_changes_nothing(change: object) -> None:
    assert said(change, SHARED) == {}


def test_what_the_browser_makes_up_is_not_taken() -> None:
    assert said({"range": "6h", "admin": "1", "from": "x" * 10_000}, SHARED) == {
        "range": "6h",
        "from": "x" * MAX_NAME,
    }


def test_a_link_that_is_followed_names_a_page_and_its_parameters() -> None:
    target = controls.read_target({"path": "task", "params": [["id", "7"], ["name", "a"], ["name", "b"]]})
    assert target == controls.Target("task", (("id", "7"), ("name", "a"), ("name", "b")))


@pytest.mark.parametrize("sent", [None, "task", {"path": 3, "params": []}, {"path": "x", "params": 3}, {"path": "x"}])
def test_what_is_no_link_is_not_followed(sent: object) -> None:
    assert controls.read_target(sent) is None


@pytest.mark.parametrize("pair", [3, None, [], ["a"], ["a", "b", "c"]])
def test_parameters_that_are_no_pairs_are_left_out(pair: object) -> None:
    assert controls.read_target({"path": "x", "params": [pair, ["a", "b"]]}) == controls.Target("x", (("a", "b"),))
