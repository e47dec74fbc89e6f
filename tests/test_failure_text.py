"""Exceptions, masked: what differs from one time to the next is gone, and what tells them apart stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.history.failure_text import HEAD, MOST, class_of, failure_id, masked

UUIDS = ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", "deadbeef-cafe-beef-cafe-deadbeefcafe")
WORDS = ("b'", "''", "a1", "0x", "deadbeef", "deadbeef1", "1.5", "@b.c", "E2(", ", '", "=(", "\\'", *UUIDS)
pieces = st.sampled_from([*"'\" \n#…x5-é٣()\\@.+", *WORDS])


@given(st.text(max_size=60) | st.lists(pieces, max_size=40).map("".join))
def test_masking_is_done_once_and_never_makes_a_text_longer(text: str) -> None:
    once = masked(text)

    assert masked(once) == once
    assert len(once) <= min(len(text), MOST)
    assert failure_id(text) == failure_id(once)
    head = HEAD.match(once)
    assert not any(letter.isdecimal() for letter in once[head.end() if head else 0 :])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("KeyError('sku-17')", "KeyError('…')"),
        ('KeyError("it\'s")', 'KeyError("…")'),
        ("KeyError('')", "KeyError('')"),
        ("ValueError('order 17: 9 digits')", "ValueError('order #: # digits')"),
        ("Exception('connection refused by 10.0.0.7')", "Exception('connection refused by #')"),
        ("OSError(28, 'No space left on device')", "OSError(28, 'No space left on device')"),
        ("OSError(28, 'full')", "OSError(28, '…')"),
        ("NoOrder(4711, 'gone away')", "NoOrder(#, 'gone away')"),
        ("Busy(7)", "Busy(#)"),
        ("S3Error('no bucket 9')", "S3Error('no bucket #')"),
        ("ValueError(\"no 'red' in the feed\")", "ValueError(\"no '…' in the feed\")"),
        ("""ValueError('it\\'s "red" of \\'bob\\' here')""", """ValueError('it\\'s "…" of \\'…\\' here')"""),
        ("Bad('no mail for bob.x+1@shop.example')", "Bad('no mail for #')"),
        ("Twice('Key (email)=(bob) already exists.')", "Twice('Key (email)=(…) already exists.')"),
        ("ValueError('cut off in the', 'midst of", "ValueError('cut off in the', 'midst of"),
        ("TimeoutError(30)", "TimeoutError(#)"),
        ("Lost <Order object at 0x7f3a91c2d0>", "Lost <Order object at #>"),
        ("no route to 10.0.0.7:6379, try 3 of 5", "no route to #, try # of #"),
        ("job 3f2504e0-4f89-11d3-9a0c-0305e82c3301 gone", "job # gone"),
        ("commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "commit #"),
        ("can't read\n  the 'feed'", "can't read the '…'"),
        ("TypeError: decade facade", "TypeError: decade facade"),
    ],
)
def test_what_is_volatile_is_masked_and_words_are_not(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_failures_that_read_alike_are_one_and_others_are_not() -> None:
    assert failure_id("KeyError('a')") == failure_id("KeyError('b')")
    assert failure_id("KeyError('a')") != failure_id("ValueError('a')")
    assert failure_id("Error('deadlock in 3')") == failure_id("Error('deadlock in 4')")
    assert failure_id("Error('deadlock in 3')") != failure_id("Error('refused by 3')")
    assert failure_id("OSError(28, 'no')") != failure_id("OSError(111, 'no')")
    assert failure_id("") != failure_id("KeyError('a')")


@pytest.mark.parametrize(
    ("text", "name"),
    [("KeyError('sku')", "KeyError"), ("app.errors.NoStock: 1", "app.errors.NoStock"), ("", ""), ("<no>", "<no>")],
)
def test_a_failure_is_called_by_its_class(text: str, name: str) -> None:
    assert class_of(text) == name
