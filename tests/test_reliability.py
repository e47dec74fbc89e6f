"""What `make reliability` shows in full, in short."""

from __future__ import annotations

from tests.reliability import floods, kills


def test_killed_under_load_it_loses_nothing_it_acknowledged_and_counts_nothing_twice() -> None:
    counted = kills.run(10, to_the_last=False)

    assert counted.acknowledged > 0
    assert counted.buckets > 0
    assert (counted.kills, counted.lost, counted.twice, counted.wrong_buckets, counted.unaccounted) == (10, 0, 0, 0, 0)
    assert counted.faults == []


def test_a_flood_of_events_is_recorded_to_the_last() -> None:
    counted = floods.run(1_667, rate=12_500)

    assert counted.recorded == counted.tasks == 1_667
    assert counted.dropped == 0
