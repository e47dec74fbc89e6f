"""python -m identity hash | token | key: what the configuration needs, printed as its lines.

hash NAME    a user: asks for the password on the terminal, or reads one line from the standard input
token NAME   a program: prints its token, which is shown this once, and the line that stands for it
key          a key for access_session_key, or a secret for access_proxy_secret
"""

from __future__ import annotations

import argparse
import getpass
import json
import secrets
import sys

from identity.passwords import LONGEST, hash_password
from identity.tokens import digest, new_token

SHORTEST = 8  # NIST SP 800-63B


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m identity", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("hash", help="a user's line").add_argument("name")
    token = commands.add_parser("token", help="a program's token and line")
    token.add_argument("name")
    token.add_argument("--scope", choices=("read", "control"), default="read")
    commands.add_parser("key", help="a key or a shared secret")
    given = parser.parse_args()
    match given.command:
        case "hash":
            say("[access.users]", f"{quoted(given.name)} = {quoted(hash_password(read_password()))}")
        case "token":
            made = new_token()
            line = f'{quoted(given.name)} = {{ sha256 = "{digest(made)}", scope = "{given.scope}" }}'
            say(f"# Give this to the program; it is not kept anywhere: {made}", "[access.tokens]", line)
        case "key":
            say(secrets.token_urlsafe(32))


def read_password() -> str:
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise SystemExit("The two differ.")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not SHORTEST <= len(password) <= LONGEST:
        raise SystemExit(f"A password has {SHORTEST} to {LONGEST} characters.")
    return password


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a TOML string as well


def say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
