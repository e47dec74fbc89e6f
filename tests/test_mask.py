"""No secret leaves a worker's answer, and what is no secret stays."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.mask import MASK, _without_secrets, is_counted, is_secret, mask, mask_text
from tests.deadline import costs

CANARY = "c4n4ry"

SECRET_NAMES = [
    "password", "db_password", "PASSWORD", "passwd", "pass", "userPass", "passphrase", "api_key", "apiKey", "APIKEY",
    "x-api-key", "AWS_SECRET_ACCESS_KEY", "secret", "client_secret", "token", "access_token", "refreshToken", "dsn",
    "SENTRY_DSN", "authorization", "credentials", "private_key", "encryption_key", "key", "signature", "cookie",
    "pin", "PIN", "userPin", "pinCode", "card-pin", "otp", "smsOtp", "otp_code", "cvv", "cardCVV", "cvc", "passcode",
]  # fmt: skip
INNOCENT_NAMES = [
    "routing_key", "x-dead-letter-routing-key", "task_default_routing_key", "sort_key", "partition_key", "cache_keys",
    "KeyError", "monkey", "keyword", "compass", "bypass", "passenger", "author", "name", "queue", "desired",
    "spin", "spinner", "opinion", "shipping", "pinned", "ping", "Pinterest", "laptop", "hotplug", "cvvs", "pin2",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_what_stands_under_a_secret_name_is_hidden(name: str) -> None:
    assert mask({"settings": [{name: CANARY}]}) == {"settings": [{name: MASK}]}
    assert mask({name: {"deep": [CANARY]}}) == {name: MASK}
    assert mask({name: 12345678, "n": 3}) == {name: MASK, "n": 3}


@pytest.mark.parametrize("name", INNOCENT_NAMES)
def test_what_only_sounds_like_a_secret_stays(name: str) -> None:
    assert mask({name: "mail"}) == {name: "mail"}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("redis://:c4n4ry@host:6379/0", "redis://***@host:6379/0"),
        ("amqp://ann:c4n4ry@host//", "amqp://***@host//"),
        ("sentinel://:c4n4ry@a:1;sentinel://:c4n4ry@b:2", "sentinel://***@a:1;sentinel://***@b:2"),
        ("{'password': 'c4n4ry', 'n': 3}", f"{{'password': '{MASK}', 'n': 3}}"),
        ('{"api_key": "c4n4ry \\" still", "n": 3}', f'{{"api_key": "{MASK}", "n": 3}}'),
        ("{'token': b'c4n4ry', 'n': 3}", f"{{'token': {MASK}, 'n': 3}}"),
        ("{'tokens': ['c4n4ry', 'c4n4ry'], 'n': 3}", f"{{'tokens': {MASK}, 'n': 3}}"),
        ("{'password': 'cut off c4n4r", f"{{'password': '{MASK}'"),
        ("login?user=ann&password=c4n4ry&page=2", f"login?user=ann&password={MASK}&page=2"),
        ("sentry_dsn: 'https://c4n4ry@sentry.io/1'", f"sentry_dsn: '{MASK}'"),
        ("{'routing_key': 'mail', 'max_tokens': 4096}", "{'routing_key': 'mail', 'max_tokens': 4096}"),
        ("{'password': 12345678, 'n': 3}", f"{{'password': {MASK}, 'n': 3}}"),
        ('{"token": 445566, "pin": -1.5, "otp": 0}', f'{{"token": {MASK}, "pin": {MASK}, "otp": {MASK}}}'),
        ("('pay', {'cvv': 123, 'userPin': 4711})", f"('pay', {{'cvv': {MASK}, 'userPin': {MASK}}})"),
        ("?otp=123456&page=2", f"?otp={MASK}&page=2"),
        ("mysql --password 4711 db", f"mysql --password {MASK} db"),
        ("{'credential_id': 17, 'token_ttl': 60, 'is_secret': True}",) * 2,
        ("{'shipping': 4, 'spin': 1, 'opinion': 'good'}",) * 2,
        ("AuthError: 401 Unauthorized",) * 2,
        ("10:30, all=well", "10:30, all=well"),
        ("headers={'Authorization': 'Bearer c4n4ry', 'X': 'y'}", f"headers={{'Authorization': '{MASK}', 'X': 'y'}}"),
        ("Authorization: Bearer c4n4ry\nHost: x", f"Authorization: {MASK}\nHost: x"),
        ("curl -H 'Authorization: Bearer c4n4ry' https://h/x", f"curl -H 'Authorization: {MASK}' https://h/x"),
        ('Authorization: Digest username="ann", response="c4n4ry"', f"Authorization: {MASK}"),
        ("auth: Bearer c4n4ry", f"auth: {MASK}"),
        ("Cookie: page=1; session=c4n4ry\nok", f"Cookie: {MASK}\nok"),
        ("{'credentials': {'aws': {'a': 1}, 'sess': 'c4n4ry'}, 'n': 3}", f"{{'credentials': {MASK}, 'n': 3}}"),
        ("{'password': ('x', ('y', 'z'), 'c4n4ry'), 'n': 3}", f"{{'password': {MASK}, 'n': 3}}"),
        ("{'token': ['ab]cd', 'c4n4ry'], 'n': 3}", f"{{'token': {MASK}, 'n': 3}}"),
        ("{'token': ['c4n4r...", f"{{'token': {MASK}"),
        ("{'auth': Secret('c4n4ry'), 'n': 3}", f"{{'auth': {MASK}, 'n': 3}}"),
        ("{'token': <Token: c4n4ry>, 'n': 3}", f"{{'token': {MASK}, 'n': 3}}"),
        (
            '{"body": "{\\"password\\": \\"c4n4ry\\", \\"n\\": 3}", "m": 4}',
            f'{{"body": "{{\\"password\\": \\"{MASK}\\", \\"n\\": 3}}", "m": 4}}',
        ),
        ("{'url': 'https://h/?token=c4n4ry&n=3'}", f"{{'url': 'https://h/?token={MASK}&n=3'}}"),
        ("os.environ['DB_PASSWORD'] = 'c4n4ry'", f"os.environ['DB_PASSWORD'] = '{MASK}'"),
        ("token == 'c4n4ry' and page == 2", f"token == '{MASK}' and page == 2"),
        ("['mysql', '--password', 'c4n4ry', 'db']", f"['mysql', '--password', '{MASK}', 'db']"),
        ("mysql --password c4n4ry --user ann", f"mysql --password {MASK} --user ann"),
        ("OrderedDict([('password', 'c4n4ry'), ('n', 3)])", f"OrderedDict([('password', '{MASK}'), ('n', 3)])"),
        ("('reset_password', 'ann')", "('reset_password', 'ann')"),
        ("postgres://u:p@c4n/4ry@host/db", "postgres://***@host/db"),
        ("http://host:80/a@b and https://host/@ann/post", "http://host:80/a@b and https://host/@ann/post"),
        ("Invalid token: can't decode", f"Invalid token: {MASK} decode"),
        ("half a pair \ud83d", "half a pair \N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_text_is_shown_without_the_secrets_in_it(said: str, shown: str) -> None:
    assert mask_text(said) == shown


def test_an_option_s_value_is_hidden_in_a_list_of_words() -> None:
    assert mask(["mysql", "--password", CANARY, "db"]) == ["mysql", "--password", MASK, "db"]


def test_a_pair_s_value_is_hidden_in_a_list_of_pairs() -> None:
    assert mask([["password", CANARY], ("n", 3)]) == [["password", MASK], ["n", 3]]
    assert mask(["reset_password", "ann"]) == ["reset_password", "ann"]


def test_counts_stay_under_the_name_of_a_task_that_sounds_like_a_secret() -> None:
    assert mask({"total": {"shop.refresh_token": 7}}, counts=True) == {"total": {"shop.refresh_token": 7}}
    assert mask({"token": CANARY, "n": 1}, counts=True) == {"token": MASK, "n": 1}


def test_arguments_hold_no_counts_wherever_a_worker_tells_them() -> None:
    entry = {"task": "shop.pay", "args": [["pin", 4711]], "kwargs": {"pin": 4711, "deep": {"otp": 12}, "max_tokens": 9}}
    shown = {
        "task": "shop.pay",
        "args": [["pin", MASK]],
        "kwargs": {"pin": MASK, "deep": {"otp": MASK}, "max_tokens": 9},
    }
    assert mask([{"request": entry}], counts=True) == [{"request": shown}]
    assert mask({"beat_schedule": {"pay": entry}, "pin": 7}, counts=True) == {"beat_schedule": {"pay": shown}, "pin": 7}


def test_a_megabyte_of_anything_is_masked_in_a_moment() -> None:
    with costs(6.0):
        for text in ("a" * 2**20, "a=" * 2**19, "'" * 2**20 + "=", "password='" * 2**16, "://" * 2**18, "a:[" * 2**18):
            mask_text(text)


HOSTILE = [
    "[", "token:[", "token:[]", "token:'", "token:\\'", 'token:"\\"', "token:<", "token=a(", "('token', ", "--token ",
    "token    ", "authorization: x=\"", "://a:x", "://a:x@", "\\", "['token', [",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_what_is_nested_without_end_is_looked_at_a_few_times_at_most(piece: str) -> None:
    """A scan for each secret name, each to the end, would take minutes."""
    deep = piece * (100_000 // len(piece))
    with costs(30.0):
        for text in (deep, f"token:{deep}", f"{deep} x", deep + "]" * deep.count("[") + ")" * deep.count("(") + " x"):
            mask_text(text)


def test_nesting_without_end_is_cut_off() -> None:
    deep: Any = CANARY
    for _ in range(900):
        deep = [deep]
    assert CANARY not in json.dumps(mask(deep))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_masking_twice_hides_nothing_more(value: Any) -> None:
    assert mask(mask(value)) == mask(value)


@given(st.sampled_from(SECRET_NAMES), st.text(alphabet="xyz '\"\\,[]{}():=@&;\n", max_size=30))
def test_no_secret_survives_python_s_repr(name: str, padding: str) -> None:
    secret = f"{padding}{CANARY}{padding}"
    assert CANARY not in mask_text(repr({"n": 1, name: secret, "z": 2}))
    assert CANARY not in mask_text(json.dumps({"n": 1, name: secret, "z": 2}))


# What looks like the beginning or the end of a value, and is part of one.
CONFUSING = st.lists(
    st.sampled_from([*"xyz '\"\\,[]{}()<>:=@&;\n", "token: '", "a=", 'key="', "\\'", '\\"']), max_size=6
).map("".join)
HIDDEN = st.builds("{}{}{}".format, CONFUSING, st.just(CANARY), CONFUSING)


def beside_others(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`inner` as an element of a list, a tuple or a table."""
    others = st.lists(CONFUSING, max_size=2)
    listed = st.builds(lambda before, value, after: [*before, value, *after], others, inner, others)
    table = st.dictionaries(CONFUSING, CONFUSING, max_size=2)
    named = st.builds(lambda before, name, value: {**before, name: value}, table, CONFUSING, inner)
    return listed | listed.map(tuple) | named


def under_a_secret_name(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    table = st.dictionaries(CONFUSING, CONFUSING, max_size=2)
    return st.builds(
        lambda before, name, value, after: {**before, name: value, **after},
        table,
        st.sampled_from(SECRET_NAMES),
        values,
        table,
    )


NESTED = st.recursive(
    under_a_secret_name(st.recursive(HIDDEN, beside_others, max_leaves=3)), beside_others, max_leaves=3
)
WRITTEN = [
    repr,
    json.dumps,
    "it failed with {!r}, sadly".format,
    lambda value: repr(OrderedDict(value=value)),
    lambda value: json.dumps({"body": value, "n": 1}),
    lambda value: repr({"body": value, "n": 1}),
]


@given(NESTED, st.lists(st.sampled_from(WRITTEN), min_size=1, max_size=3))
def test_no_secret_survives_however_it_is_nested_and_written_down(value: Any, writings: list[Any]) -> None:
    for write in writings:
        value = write(value)
    assert CANARY not in mask_text(value)


# In a text a header's name hides the rest of its line.
NO_HEADERS = [name for name in SECRET_NAMES if name not in ("authorization", "cookie")]
NAMES = st.sampled_from([*NO_HEADERS, *INNOCENT_NAMES, "--password", "--queue"])
STRUCTURES = st.recursive(
    st.integers(0, 9).map(f"{CANARY}{{}}".format) | st.integers(7_654_000, 7_654_009) | st.booleans(),
    lambda inner: st.lists(inner | NAMES, max_size=4) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


@given(STRUCTURES)
def test_a_structure_shows_what_its_text_shows(value: Any) -> None:
    shown = re.findall(rf"{CANARY}\d|765400\d", mask_text(json.dumps(value)))
    assert re.findall(rf"{CANARY}\d|765400\d", json.dumps(mask(value))) == shown


@given(st.text(alphabet="abcx17 '\"\\,[]{}()<>:=@&;\n-", max_size=100))
def test_a_text_without_a_secret_s_name_stays_as_it_is(text: str) -> None:
    assert mask_text(text) == text


@given(st.text(max_size=300))
def test_any_name_can_be_judged(name: str) -> None:
    assert is_secret(name) in (True, False)


PIECES = [
    "pass",
    "Pwd",
    "jwt",
    "Bearer",
    "sas",
    "auth",
    "authorisation",
    "api",
    "Access",
    "key",
    "Keys",
    "DSN",
    "my",
    "9",
    "pin",
    "Pin",
    "OTP",
    "cvv",
]


@given(
    st.lists(st.sampled_from([*PIECES, *SECRET_NAMES, *INNOCENT_NAMES]), min_size=1, max_size=3).flatmap(
        lambda words: st.sampled_from([between.join(words) for between in ("", "_", "-", ".")])
    )
)
def test_a_name_is_as_secret_in_a_text_as_in_a_table(name: str) -> None:
    shown = mask_text(f"{{'{name}': '{CANARY}'}}")
    assert (CANARY not in shown) == is_secret(name)
    assert ("7654" not in mask_text(f"{{'{name}': 7654}}")) == (is_secret(name) and not is_counted(name))


@given(st.lists(st.sampled_from([*PIECES, *SECRET_NAMES, *INNOCENT_NAMES, "error", *"'\" :=_-.x\nÉİ"])).map("".join))
def test_to_look_for_hints_first_leaves_no_pair_out(text: str) -> None:
    assert mask_text(text) == _without_secrets(text)
