"""Who asks: each source believes what proves it and nothing else."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from ipaddress import ip_network
from typing import Any

import pytest
from itsdangerous import URLSafeSerializer
from starlette.datastructures import Headers

import identity.attempts
import identity.passwords
import identity.sessions
from data_sources.config import Access, Oidc, ProxyHeader, Secret, Token
from data_sources.password_hash import PasswordHash
from identity import HEADER, NOBODY, Person, of_headers, to_header
from identity.attempts import MOST_FROM, MOST_HERE, WITHIN_SECONDS, Attempts, TooManyAttempts
from identity.connections import Connections, SessionOver
from identity.passwords import Passwords, derive, hash_password
from identity.proxy import GivenTwice
from identity.tokens import digest, new_token
from identity.who import Identity

PASSWORD = "correct horse battery"
HASH = Secret(hash_password(PASSWORD))
SECRET = "a secret between the two of us"
TOKEN, OPERATORS_TOKEN = new_token(), new_token()
PEER = "203.0.113.9"
SOON = datetime.now(UTC) + timedelta(hours=1)

USERS = Access(operators=("ann",), users={"ann": HASH, "ben": HASH})
PROXY = Access(operators=("ann",), proxy=ProxyHeader(Secret(SECRET), trusted=(ip_network("10.0.0.0/8"),)))
TOKENS = Access(
    operators=("ann",),
    tokens=(Token("grafana", Secret(digest(TOKEN)), False), Token("ci", Secret(digest(OPERATORS_TOKEN)), True)),
)
LOCAL = Access(local_operator=True)

Fields = dict[str, str] | list[tuple[str, str]]


def headers(fields: Fields) -> Headers:
    pairs = fields.items() if isinstance(fields, dict) else fields
    return Headers(raw=[(name.lower().encode(), value.encode()) for name, value in pairs])


def who(access: Access | Identity, fields: Fields, peer: str = PEER) -> Person:
    known = access if isinstance(access, Identity) else Identity(access)
    return asyncio.run(known.who(headers(fields), peer))


def basic(text: str) -> dict[str, str]:
    import base64

    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def is_nobody(person: Person) -> bool:
    return (person.name, person.how, person.reads, person.controls) == ("", "nobody", False, False)


# --- the header ---------------------------------------------------------------------------------------------------


def test_a_person_arrives_as_sent() -> None:
    ann = Person("ann · Ünïcode", "password", True, True, PEER, SOON, "a1b2", "/login")

    assert of_headers(Headers({HEADER: to_header(ann)})) == ann
    assert of_headers({HEADER: to_header(ann)}) == ann


def test_the_same_person_is_sent_in_the_same_words() -> None:
    ann = Person("ann", "password", True, True, PEER, SOON, "a1b2")

    assert to_header(ann) == to_header(replace(ann))
    assert to_header(ann) != to_header(replace(ann, session="other"))


def test_a_forged_header_is_nobody() -> None:
    words: list[Any] = ["ann", "password", True, True, PEER, None, "", ""]
    true = to_header(Person("ben", "password", True, False))
    forged = [
        "",
        "ann",
        '["ann"]',
        str(URLSafeSerializer("another key", salt=HEADER).dumps(words)),
        str(URLSafeSerializer("", salt=HEADER).dumps(words)),
        true[:-2] + ("AA" if not true.endswith("AA") else "BB"),
        str(URLSafeSerializer("k").dumps(words)).rsplit(".", 1)[0] + "." + true.rsplit(".", 1)[1],
    ]

    assert [of_headers({HEADER: text}) for text in forged] == [NOBODY] * len(forged)
    assert of_headers({}) == NOBODY


def test_who_is_over_is_nobody() -> None:
    past = Person("ann", "oidc", True, True, PEER, datetime.now(UTC) - timedelta(seconds=1))

    assert of_headers({HEADER: to_header(past)}) == NOBODY


def test_without_any_source_everybody_reads_and_nobody_changes() -> None:
    assert who(Access(), {}) == Person("", "nobody", reads=True, controls=False, address=PEER)
    assert who(Access(operators=("ann",)), basic(f"ann:{PASSWORD}")).controls is False


# --- operators ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "controls"),
    [
        ("a@x.com", True),
        ("a@x.com.evil.com", False),
        ("xa@x.com", False),
        ("A@X.COM", False),
        ("a@x.co", False),
        ("a@xxcom", False),
        (".*@x.com", False),
        ("a@x.com,b", False),
        ("а@x.com", False),  # Cyrillic
    ],
)
def test_an_operator_is_one_by_the_exact_name(name: str, controls: bool) -> None:
    access = replace(PROXY, operators=("a@x.com",))
    person = who(access, {"X-Forwarded-User": name, "X-Proxy-Secret": SECRET}, "10.1.1.1")

    assert (person.name, person.reads, person.controls) == (name, True, controls)


@pytest.mark.parametrize("name", ["A@X.COM\n", "a@x.com\n", " a@x.com", "a@x.com\x00", "a" * 201, "\u202ea@x.com"])
def test_a_name_that_is_no_name_is_nobody(name: str) -> None:
    access = replace(PROXY, operators=("a@x.com",))

    assert is_nobody(who(access, {"X-Forwarded-User": name, "X-Proxy-Secret": SECRET}, "10.1.1.1"))


# --- a proxy's header ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", ["10.1.1.1", "::ffff:10.1.1.1"])
def test_a_proxy_is_believed_with_address_and_secret(peer: str) -> None:
    person = who(PROXY, {"X-Forwarded-User": "ann", "X-Proxy-Secret": SECRET}, peer)

    assert person == Person("ann", "proxy", True, True, peer)


@pytest.mark.parametrize(
    ("fields", "peer"),
    [
        ({"X-Forwarded-User": "ann", "X-Proxy-Secret": SECRET}, PEER),
        ({"X-Forwarded-User": "ann", "X-Proxy-Secret": SECRET}, "127.0.0.1"),
        ({"X-Forwarded-User": "ann", "X-Proxy-Secret": SECRET}, ""),
        ({"X-Forwarded-User": "ann", "X-Proxy-Secret": SECRET, "X-Forwarded-For": "10.1.1.1"}, PEER),
        ({"X-Forwarded-User": "ann", "X-Proxy-Secret": SECRET[:-1]}, "10.1.1.1"),
        ({"X-Forwarded-User": "ann", "X-Proxy-Secret": SECRET + " "}, "10.1.1.1"),
        ({"X-Forwarded-User": "ann", "X-Proxy-Secret": ""}, "10.1.1.1"),
        ({"X-Forwarded-User": "ann"}, "10.1.1.1"),
        ({"X-Forwarded-User": "", "X-Proxy-Secret": SECRET}, "10.1.1.1"),
        ({"X-Forwarded-Email": "ann", "X-Proxy-Secret": SECRET}, "10.1.1.1"),
        ({"X-Proxy-Secret": SECRET}, "10.1.1.1"),
    ],
)
def test_without_either_it_is_not(fields: dict[str, str], peer: str) -> None:
    assert is_nobody(who(PROXY, fields, peer))


@pytest.mark.parametrize("twice", ["X-Forwarded-User", "X-Proxy-Secret"])
@pytest.mark.parametrize("peer", ["10.1.1.1", PEER])
def test_a_header_that_is_there_twice_is_refused(twice: str, peer: str) -> None:
    fields = [("X-Forwarded-User", "ann"), ("X-Proxy-Secret", SECRET), (twice, "ben")]

    with pytest.raises(GivenTwice):
        who(PROXY, fields, peer)


def test_a_name_comes_in_utf8() -> None:
    fields = {"X-Forwarded-User": "Zoë", "X-Proxy-Secret": SECRET}
    latin = Headers(raw=[(b"x-forwarded-user", "Zoë".encode("latin-1")), (b"x-proxy-secret", SECRET.encode())])

    assert who(PROXY, fields, "10.1.1.1").name == "Zoë"
    assert is_nobody(asyncio.run(Identity(PROXY).who(latin, "10.1.1.1")))


# --- tokens -------------------------------------------------------------------------------------------------------


def test_a_token_reads_or_changes_as_its_scope_says() -> None:
    assert who(TOKENS, bearer(TOKEN)) == Person("grafana", "token", True, False, PEER)
    assert who(TOKENS, bearer(OPERATORS_TOKEN)) == Person("ci", "token", True, True, PEER)


def test_a_tokens_hash_a_part_of_it_or_another_is_nobody() -> None:
    wrong = [new_token(), digest(TOKEN), TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "", "x" * 100_000]

    assert all(is_nobody(who(TOKENS, bearer(text))) for text in wrong)
    assert is_nobody(who(TOKENS, basic(f"grafana:{TOKEN}")))


# --- named users --------------------------------------------------------------------------------------------------


def session(known: Identity, name: str = "ann", password: str = PASSWORD) -> dict[str, str]:
    cookie = asyncio.run(known.sign_in(name, password, headers({}), PEER))
    assert cookie
    return {"Cookie": f"{known.sessions.cookie}={cookie}"}


def test_scrypt_gives_what_the_rfc_says() -> None:
    # RFC 7914, section 12, the third; of 64 bytes the first 32.
    made = derive(PasswordHash(14, 8, 1, b"SodiumChloride", b""), "pleaseletmein")

    assert made.hex() == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"


def test_no_two_hashes_are_alike_and_each_knows_its_password() -> None:
    one, other = hash_password(PASSWORD), hash_password(PASSWORD)

    assert one != other
    assert PasswordHash.parse(one).digest == derive(PasswordHash.parse(one), PASSWORD)


def test_a_password_is_the_same_however_a_keyboard_spells_it() -> None:
    parsed = PasswordHash.parse(hash_password("café au lait"))

    assert derive(parsed, "cafe\u0301 au lait") == parsed.digest


def test_a_session_says_who_until_when_and_how_to_end_it() -> None:
    known = Identity(USERS)
    person = who(known, session(known))

    assert (person.name, person.how, person.reads, person.controls, person.leave) == (
        *("ann", "password", True, True),
        "/login",
    )
    assert person.until
    assert timedelta(hours=11, minutes=59) < person.until - datetime.now(UTC) <= timedelta(hours=12)
    assert person.session
    assert who(known, session(known, "ben")).controls is False


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ann", "wrong"),
        ("ann", ""),
        ("ann", PASSWORD + " "),
        ("ann", PASSWORD.upper()),
        ("ann", PASSWORD + "x" * 100_000),
        ("nobody", PASSWORD),
        ("Ann", PASSWORD),
        ("", PASSWORD),
        ("", ""),
        ("ann", "\ud800"),
    ],
)
def test_a_wrong_name_or_password_signs_nobody_in(name: str, password: str) -> None:
    assert asyncio.run(Identity(USERS).sign_in(name, password, headers({}), PEER)) is None


def test_a_session_that_was_changed_or_is_of_another_key_is_none() -> None:
    known = Identity(USERS)
    good = session(known)["Cookie"]
    value = good.partition("=")[2]
    body, stamp, signature = value.split(".")
    others = session(Identity(USERS))["Cookie"]
    bens = session(known, "ben")["Cookie"].partition("=")[2]
    changed = [
        others,
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        f"cn_session={bens.split('.')[0]}.{stamp}.{signature}",
        f"cn_session={body}.{stamp}",
        f"cn_session={body}..{signature}",
        "cn_session=",
        "cn_session=ann",
        f"cn_session={value}; cn_session=x",
        f"__Host-cn_session={value}",
    ]

    assert who(known, {"Cookie": good}).name == "ann"
    assert [text for text in changed if not is_nobody(who(known, {"Cookie": text}))] == []


def test_with_a_key_of_the_settings_a_session_outlives_the_process_and_not_the_password() -> None:
    access = replace(USERS, session_key=Secret("k" * 40))
    cookie = session(Identity(access))
    other_password = replace(access, users={"ann": Secret(hash_password(PASSWORD))})
    without_ann = replace(access, users={"ben": HASH})

    assert who(access, cookie).name == "ann"
    assert is_nobody(who(other_password, cookie))
    assert is_nobody(who(without_ann, cookie))
    assert is_nobody(who(replace(access, session_key=Secret("l" * 40)), cookie))


class InAnHour(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(hours=1)


def test_a_session_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Identity(replace(USERS, session_life=timedelta(hours=1)))
    cookie = session(known)
    assert who(known, cookie).name == "ann"

    monkeypatch.setattr(identity.sessions, "datetime", InAnHour)
    assert is_nobody(who(known, cookie))


def test_signing_out_ends_the_session_wherever_its_cookie_is() -> None:
    known = Identity(USERS)
    ended, other = session(known), session(known)

    async def sign_out() -> None:
        known.sign_out(await known.who(headers(ended), PEER))

    asyncio.run(sign_out())
    assert is_nobody(who(known, ended))
    assert who(known, other).name == "ann"


def test_basic_is_for_programs_and_not_for_browsers() -> None:
    assert who(USERS, basic(f"ann:{PASSWORD}")) == Person("ann", "password", True, True, PEER)
    assert is_nobody(who(USERS, {**basic(f"ann:{PASSWORD}"), "Sec-Fetch-Site": "cross-site"}))


@pytest.mark.parametrize("text", ["ann:wrong", "ann", ":", f"{PASSWORD}:ann"])
def test_wrong_basic_is_nobody(text: str) -> None:
    assert is_nobody(who(USERS, basic(text)))


@pytest.mark.parametrize("value", ["Basic", "Basic !!!", "Basic //8=", "Digest ann", "Bearer", "basic"])
def test_a_broken_authorization_is_nobody(value: str) -> None:
    assert is_nobody(who(USERS, {"Authorization": value}))


def test_an_unknown_name_costs_what_a_known_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []

    def costs(given: PasswordHash, password: str) -> bytes:
        asked.append((given.log_n, given.r, given.p))
        return b""

    monkeypatch.setattr(identity.passwords, "derive", costs)
    own_cost = Secret(HASH.reveal().replace("ln=15", "ln=14"))
    passwords = Passwords({"ann": own_cost})

    for name in ("ann", "nobody"):
        assert asyncio.run(passwords.are_right(name, PASSWORD, PEER)) is False
    assert asked == [(14, 8, 3), (14, 8, 3)]


def test_others_are_served_while_a_password_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    served, derive = threading.Event(), identity.passwords.derive

    def derive_once_others_are_served(given: PasswordHash, password: str) -> bytes:
        assert served.wait(60)
        return derive(given, password)

    async def look() -> bool:
        looking = asyncio.ensure_future(Passwords({"ann": HASH}).are_right("ann", PASSWORD, PEER))
        await asyncio.sleep(0.001)
        served.set()
        return await looking

    monkeypatch.setattr(identity.passwords, "derive", derive_once_others_are_served)
    assert asyncio.run(look()) is True


# --- attempts -----------------------------------------------------------------------------------------------------


def count(attempts: Attempts, name: str, address: str, times: int = 1) -> int:
    """How many of them were let through; none is, once one was not."""
    for done in range(times):
        try:
            attempts.count(name, address)
        except TooManyAttempts:
            return done
    return times


def test_a_name_is_tried_a_few_times_from_an_address_and_others_are_free() -> None:
    attempts = Attempts()

    assert count(attempts, "ann", PEER, 20) == MOST_HERE
    assert count(attempts, "ann", "198.51.100.1") == 1  # she herself, elsewhere
    assert count(attempts, "ben", PEER) == 1


def test_an_address_does_not_go_through_all_names() -> None:
    attempts = Attempts()

    assert sum(count(attempts, f"user{number}", PEER) for number in range(500)) == MOST_FROM


def test_a_name_is_not_tried_from_everywhere() -> None:
    attempts = Attempts()

    assert sum(count(attempts, "ann", f"2001:db8::{number:x}") for number in range(500)) < 50


def test_the_right_password_is_refused_too_once_it_is_too_much() -> None:
    known = Identity(USERS)

    async def try_all() -> list[str | None]:
        return [await known.sign_in("ann", "wrong", headers({}), PEER) for _ in range(MOST_HERE)]

    assert asyncio.run(try_all()) == [None] * MOST_HERE
    with pytest.raises(TooManyAttempts) as refused:
        session(known)
    assert WITHIN_SECONDS - 60 < refused.value.seconds <= WITHIN_SECONDS
    with pytest.raises(TooManyAttempts):
        who(known, basic(f"ann:{PASSWORD}"))


def test_attempts_made_at_once_are_counted_before_they_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity.passwords, "derive", lambda given, password: b"")
    known = Identity(USERS)

    async def rush() -> list[object]:
        tries = [known.sign_in("ann", "wrong", headers({}), PEER) for _ in range(30)]
        return list(await asyncio.gather(*tries, return_exceptions=True))

    assert sum(one is None for one in asyncio.run(rush())) == MOST_HERE


def test_signing_in_does_not_count_and_clears_nothing_that_was_done_to_others() -> None:
    attempts = Attempts()
    for number in range(MOST_FROM - 1):
        count(attempts, f"user{number}", PEER)
    for _ in range(20):
        assert count(attempts, "mallory", PEER) == 1
        attempts.forget("mallory", PEER)

    assert [count(attempts, name, PEER) for name in ("ann", "ben")] == [1, 0]


def test_time_heals(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = Attempts()
    assert count(attempts, "ann", PEER, 9) == MOST_HERE
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + WITHIN_SECONDS + 1)

    assert count(attempts, "ann", PEER, 9) == MOST_HERE


def test_millions_of_names_take_no_more_than_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity.attempts, "MOST_KEPT", 100)
    attempts = Attempts()
    for number in range(1_000):
        count(attempts, f"user{number}", f"2001:db8::{number:x}")

    assert len(attempts._made) == 100


def test_behind_a_proxy_of_ours_each_viewer_has_attempts_of_his_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity.passwords, "derive", lambda given, password: b"")  # at once: it is about counting
    known = Identity(USERS)

    def tries(forwarded: str, peer: str) -> int:
        done = 0
        for _ in range(MOST_HERE + 3):
            try:
                asyncio.run(known.sign_in("ann", "wrong", headers({"X-Forwarded-For": forwarded}), peer))
                done += 1
            except TooManyAttempts:
                break
        return done

    assert tries("198.51.100.7", "127.0.0.1") == MOST_HERE
    assert tries("198.51.100.8", "127.0.0.1") == MOST_HERE
    assert tries("6.6.6.6, 198.51.100.8", "127.0.0.1") == 0  # the proxy names whom it saw, last
    assert tries("6.6.6.6", PEER) == MOST_HERE
    assert tries("6.6.6.7", PEER) == 0  # nobody of ours: his own words about himself


# --- OpenID Connect -----------------------------------------------------------------------------------------------

OIDC = Oidc(("ann@example.com", "@corp.example"))
CLAIMS: dict[str, object] = {
    "is_logged_in": True,
    "provider": "default",
    "email": "ann@example.com",
    "email_verified": True,
    "iat": time.time(),
    "exp": time.time() + 86_400,  # the tests may run long after this is read
}


def by_claims(changed: dict[str, object], oidc: Oidc = OIDC) -> Person:
    said = {name: value for name, value in (CLAIMS | changed).items() if value is not None}
    return who(Identity(Access(("ann@example.com",), oidc=oidc), claims=lambda cookies: said), {})


def test_an_id_token_signs_in_until_it_expires() -> None:
    person = by_claims({})

    assert (person.name, person.how, person.controls, person.leave) == (
        *("ann@example.com", "oidc", True),
        "/auth/logout",
    )
    assert person.until == datetime.fromtimestamp(float(str(CLAIMS["exp"])), UTC)


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": time.time() - 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": 1e300},
        {"is_logged_in": False},
        {"is_logged_in": None},
        {"provider": "other"},
        {"email": None},
        {"email": ["ann@example.com"]},
        {"email": "ann@example.com\n"},
        {"email": "Ann@example.com"},
        {"email": "ann@example.com.evil.com"},
        {"email": "ann@corp.example.evil.com"},
        {"email": "ann@sub.corp.example"},
        {"email": "@corp.example"},
        {"email": "corp.example"},
        {"email_verified": False},
        {"email_verified": "false"},
    ],
)
def test_a_token_that_is_over_or_of_somebody_else_is_nobody(changed: dict[str, object]) -> None:
    assert is_nobody(by_claims(changed))


def test_who_else_is_let_in_reads_and_does_not_change() -> None:
    assert by_claims({"email": "zoe@corp.example"}).controls is False
    assert by_claims({"email": "zoe@corp.example"}).reads is True
    assert by_claims({"email": "anybody@at.all"}, Oidc(("*",))).reads is True


def test_a_session_may_be_given_its_own_length() -> None:
    oidc = replace(OIDC, session_life=timedelta(hours=2))
    now = time.time()

    assert by_claims({"exp": now - 1, "iat": now - 3600}, oidc).reads is True
    assert is_nobody(by_claims({"exp": now + 600, "iat": now - 7201}, oidc))
    assert is_nobody(by_claims({"iat": None}, oidc))


def test_another_claim_may_name_people() -> None:
    oidc = Oidc(("*",), claim="preferred_username")

    assert by_claims({"preferred_username": "ann", "email_verified": False}, oidc).name == "ann"


# --- the one at this machine --------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "localhost:8501", "127.0.0.1:8501", "[::1]:8501", "LOCALHOST:8501"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_whoever_sits_at_this_machine_is_its_operator(host: str, peer: str) -> None:
    assert who(LOCAL, {"Host": host}, peer) == Person("local operator", "local", True, True, peer)


@pytest.mark.parametrize(
    ("fields", "peer"),
    [
        ({"Host": "localhost"}, PEER),
        ({"Host": "localhost"}, "10.0.0.1"),
        ({"Host": "localhost"}, ""),
        ({"Host": "celery.example.com"}, "127.0.0.1"),
        ({"Host": "localhost.evil.com"}, "127.0.0.1"),
        ({"Host": "10.0.0.1:8501"}, "127.0.0.1"),
        ({}, "127.0.0.1"),
        ({"Host": "localhost", "Forwarded": "for=127.0.0.1"}, "127.0.0.1"),
        ({"Host": "localhost", "X-Forwarded-For": "127.0.0.1"}, "127.0.0.1"),
        ({"Host": "localhost", "X-Forwarded-Proto": "https"}, "127.0.0.1"),
        ({"Host": "localhost", "X-Forwarded-Whatever": ""}, "127.0.0.1"),
        ({"Host": "localhost", "Via": "1.1 proxy"}, "127.0.0.1"),
        ({"Host": "localhost", "X-Real-IP": "127.0.0.1"}, "127.0.0.1"),
        ({"Host": "localhost", "Authorization": "Bearer cnb_wrong"}, "127.0.0.1"),
    ],
)
def test_whoever_comes_from_elsewhere_by_way_of_it_is_not(fields: dict[str, str], peer: str) -> None:
    person = who(LOCAL, fields, peer)

    assert (person.how, person.controls) == ("nobody", False)
    assert is_nobody(who(replace(LOCAL, users={"ann": HASH}), fields, peer))


# --- open connections ---------------------------------------------------------------------------------------------


def hold(person: Person, ended: str = "", longest: timedelta = timedelta(hours=1)) -> str:
    async def run() -> str:
        connections = Connections(longest)
        try:
            async with connections.of(person):
                asyncio.get_running_loop().call_later(0.05, connections.end, ended)
                await asyncio.sleep(0.5)
        except SessionOver:
            return "over"
        return "held"

    return asyncio.run(run())


def test_a_connection_ends_with_the_session_that_opened_it() -> None:
    ann = Person("ann", "password", True, True, until=datetime.now(UTC) + timedelta(hours=1), session="a1")

    assert hold(ann, ended="a1") == "over"
    assert hold(ann, ended="b2") == "held"
    assert hold(replace(ann, session=""), ended="") == "held"


def test_a_connection_ends_when_its_time_is_over() -> None:
    assert hold(Person("ann", "oidc", True, True, until=datetime.now(UTC) + timedelta(seconds=0.1))) == "over"
    assert hold(Person("ann", "proxy", True, True), longest=timedelta(seconds=0.1)) == "over"
    assert hold(Person("", "nobody", True, False), longest=timedelta(seconds=0.1)) == "held"


def test_a_session_may_be_ended_twice() -> None:
    async def run() -> list[str]:
        connections = Connections(timedelta(hours=1))
        ann = Person("ann", "password", True, True, session="a1")
        ends: list[str] = []

        async def one() -> None:
            try:
                async with connections.of(ann):
                    await asyncio.sleep(5)
            except SessionOver:
                ends.append("over")

        tabs = [asyncio.ensure_future(one()) for _ in range(3)]
        await asyncio.sleep(0)
        for _ in range(5):
            connections.end("a1")
            await asyncio.sleep(0)
        await asyncio.gather(*tabs)
        return ends

    assert asyncio.run(run()) == ["over"] * 3


def test_what_goes_wrong_inside_is_not_taken_for_its_end() -> None:
    async def run() -> None:
        async with Connections(timedelta(hours=1)).of(Person("ann", "proxy", True, True)):
            raise TimeoutError("a source of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        asyncio.run(run())
