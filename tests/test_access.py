"""Who may read and change something: what of the settings is read, what is refused, and that no secret is shown."""

from __future__ import annotations

import subprocess
import sys
import traceback
from dataclasses import asdict
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from data_sources.access import check_listening
from data_sources.config import Access, Oidc, ProxyHeader, Secret, Token
from data_sources.errors import ConfigError
from data_sources.password_hash import PasswordHash
from data_sources.settings import load

ROOT = Path(__file__).resolve().parents[1]
CANARY = "S3cr3tPw-0f8e4b1c-with-enough-letters"
HASH = "$scrypt$ln=15,r=8,p=3$nVS1DKBZkq5sue+rO4Dpjg$u2aqUDdsBj+9qbPiCB+szQBDAb8kreLq85hu662l3d8"
SHA = "03bba4f29b748e5e91b2dfdf9584ac91a3769c5c84f39e295e8da31329b30573"

WHOLE = f"""
[access]
operators = ["ann", "ben@example.com"]
session_key = "{CANARY}"
session_life = "8h"

[access.users]
ann = "{HASH}"

[access.tokens]
prometheus = {{ sha256 = "{SHA}" }}
deploy = {{ sha256 = "{SHA[::-1]}", scope = "control" }}

[access.proxy]
header = "X-Forwarded-Email"
secret = "{CANARY}"
trusted = ["10.0.0.0/8", "::1"]
sign_out = "/oauth2/sign_out"

[access.oidc]
claim = "preferred_username"
allowed = ["@example.com"]
provider = "keycloak"
session_life = "1h"
"""


def file(folder: Path, text: str) -> Path:
    path = folder / "celery-notebook.toml"
    path.write_text(text)
    return path


def refused(text: str, folder: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load({}, file(folder, text))
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    return caught.value


def test_with_nothing_set_everybody_reads_and_nobody_changes() -> None:
    access = load({}).access

    assert access == Access()
    assert (access.identified, access.control) == (False, False)


def test_every_source_stands_in_one_file(tmp_path: Path) -> None:
    access = load({}, file(tmp_path, WHOLE)).access

    assert access == Access(
        operators=("ann", "ben@example.com"),
        users={"ann": Secret(HASH)},
        tokens=(Token("prometheus", Secret(SHA), False), Token("deploy", Secret(SHA[::-1]), True)),
        proxy=ProxyHeader(
            Secret(CANARY),
            "X-Forwarded-Email",
            trusted=(ip_network("10.0.0.0/8"), ip_network("::1/128")),
            sign_out="/oauth2/sign_out",
        ),
        oidc=Oidc(("@example.com",), "preferred_username", "keycloak", timedelta(hours=1)),
        session_key=Secret(CANARY),
        session_life=timedelta(hours=8),
    )
    assert (access.identified, access.control) == (True, True)


def test_nothing_of_it_prints_a_secret(tmp_path: Path) -> None:
    settings = load({}, file(tmp_path, WHOLE))

    shown = f"{settings} {settings!r} {asdict(settings)}"
    assert [secret for secret in (CANARY, HASH, SHA, SHA[::-1]) if secret in shown] == []


def test_the_environment_has_its_say_where_one_value_will_do(tmp_path: Path) -> None:
    environ = {
        "ACCESS_OPERATORS": "ann, cleo",
        "ACCESS_USERS": f'{{"cleo": "{HASH}"}}',
        "ACCESS_PROXY_SECRET": CANARY[::-1],
        "ACCESS_SESSION_LIFE": "30m",
    }
    access = load(environ, file(tmp_path, WHOLE)).access

    assert access.operators == ("ann", "cleo")
    assert list(access.users) == ["cleo"]
    assert access.proxy
    assert (access.proxy.secret, access.proxy.header) == (Secret(CANARY[::-1]), "X-Forwarded-Email")
    assert access.session_life == timedelta(minutes=30)


def test_a_proxy_is_this_machine_unless_another_is_named() -> None:
    access = load({"ACCESS_PROXY_SECRET": CANARY}).access

    assert access.proxy == ProxyHeader(Secret(CANARY))
    assert access.proxy.trusted == (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def test_an_empty_text_switches_a_source_off() -> None:
    empty = {"ACCESS_PROXY_SECRET": "", "ACCESS_OIDC_ALLOWED": "", "ACCESS_USERS": "", "ACCESS_OPERATORS": ""}

    assert load(empty).access == Access()


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        (f'[access]\nsession_key = "{CANARY[:31]}"', "[access] session_key"),
        ('[access]\nsession_life = "40d"', "[access] session_life"),
        (f'[access]\noperators = ["{CANARY}\\nann"]', "[access] operators"),
        (f'[access]\noperators = ["{CANARY * 10}"]', "[access] operators"),
        (f'[access]\npassword = "{CANARY}"', "[access] password"),
        (f'[access]\nusers = "{CANARY}"', "[access] users"),
        (f'[access.users]\nann = "{CANARY}"', "[access] users"),
        (f'[access.users]\nann = ["{CANARY}"]', "[access] users"),
        (f'[access.users]\n"{CANARY}:" = "{HASH}"', "[access] users"),
        (f'[access.users]\n"{CANARY} " = "{HASH}"', "[access] users"),
        (f'[access.tokens]\nci = "{CANARY}"', "[access] tokens"),
        (f'[access.tokens]\nci = {{ sha256 = "{CANARY}" }}', "[access] tokens"),
        (f'[access.tokens]\nci = {{ sha256 = "{SHA}", scope = "{CANARY}" }}', "[access] tokens"),
        (f'[access.tokens]\nci = {{ sha256 = "{SHA}", scope = ["read"] }}', "[access] tokens"),
        (f'[access.tokens]\nci = {{ sha256 = "{SHA}", scopes = "{CANARY}" }}', "[access] tokens"),
        (f'[access.tokens]\nci = {{ sha256 = "{SHA}", scope = "control" }}', "[access] tokens"),
        (f'[access.proxy]\nsecret = "{CANARY[:15]}"', "[access.proxy] secret"),
        ('[access.proxy]\nheader = "X-Remote-User"', "[access.proxy] header"),
        (f'[access.proxy]\nsecret = "{CANARY}"\nheader = "{CANARY}:"', "[access.proxy] header"),
        (f'[access.proxy]\nsecret = "{CANARY}"\nheader = "X-Celery-Notebook-Person"', "[access.proxy] header"),
        (f'[access.proxy]\nsecret = "{CANARY}"\nheader = "x-proxy-secret"', "ACCESS_PROXY_SECRET_HEADER"),
        (f'[access.proxy]\nsecret = "{CANARY}"\ntrusted = ["{CANARY}"]', "[access.proxy] trusted"),
        (f'[access.proxy]\nsecret = "{CANARY}"\ntrusted = ["10.0.0.1/8"]', "[access.proxy] trusted"),
        (f'[access.proxy]\nsecret = "{CANARY}"\nsign_out = "javascript:{CANARY}"', "[access.proxy] sign_out"),
        ('[access.oidc]\nclaim = "email"', "[access.oidc] claim"),
        ('[access.oidc]\nallowed = ["*"]\nprovider = "a_b"', "[access.oidc] provider"),
        ('celery_notebook_local_operator = true\npublic_url = "https://c.example"', "celery_notebook_local_operator"),
    ],
)
def test_what_cannot_be_used_is_named_and_not_quoted(text: str, setting: str, tmp_path: Path) -> None:
    assert refused(text, tmp_path).name == setting


@pytest.mark.parametrize("address", [None, "", "0.0.0.0", "::", "10.1.2.3", "celery.example.com"])
@pytest.mark.parametrize("access", [Access(local_operator=True), Access(operators=("ann",))])
def test_control_without_knowing_who_asks_is_not_offered_to_a_network(access: Access, address: str | None) -> None:
    with pytest.raises(ConfigError):
        check_listening(access, address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
def test_at_this_machine_alone_it_starts(address: str) -> None:
    check_listening(Access(local_operator=True), address)
    check_listening(Access(operators=("ann",)), address)


def test_a_network_may_read_and_who_is_known_may_change() -> None:
    check_listening(Access(), "0.0.0.0")
    check_listening(Access(operators=("ann",), users={"ann": Secret(HASH)}), "0.0.0.0")


def test_operators_alone_and_users_alone_change_nothing() -> None:
    assert not Access(operators=("ann",)).control
    assert not Access(users={"ann": Secret(HASH)}).control


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        HASH[:-1],
        HASH + "A",
        HASH + "\n",
        HASH.replace("ln=15", "ln=21"),  # 2 GB
        HASH.replace("r=8", "r=0"),
        HASH.replace("p=3", "p=99"),
        HASH.replace("ln=15,r=8", "ln=20,r=32"),
        HASH.replace("ln=15", "ln=١٥"),
        HASH.replace("$nVS", "$n!S"),
        "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$" + "A" * 43,
    ],
)
def test_a_hash_that_is_none_or_would_stop_the_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a hash|costs too much") as caught:
        PasswordHash.parse(text)
    assert not text or text not in str(caught.value)


def test_a_hash_is_written_as_it_was_read_and_shows_nothing() -> None:
    parsed = PasswordHash.parse(HASH)

    assert parsed.text() == HASH
    assert repr(parsed) == "PasswordHash(log_n=15, r=8, p=3)"


def run(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "identity", *arguments]
    return subprocess.run(command, input=typed, capture_output=True, text=True, cwd=ROOT, check=False)


def test_what_the_command_prints_is_what_the_settings_read(tmp_path: Path) -> None:
    user = run("hash", 'Ann "the" O\'Neil', typed="correct horse battery\n").stdout
    token = run("token", "prometheus").stdout
    access = load({}, file(tmp_path, user + token)).access

    assert list(access.users) == ['Ann "the" O\'Neil']
    assert [(one.name, one.controls) for one in access.tokens] == [("prometheus", False)]
    assert "correct horse" not in user


def test_a_short_password_is_not_hashed() -> None:
    done = run("hash", "ann", typed="1234567\n")

    assert done.returncode == 1
    assert "8 to 1000" in done.stderr
    assert "1234567" not in done.stdout + done.stderr
