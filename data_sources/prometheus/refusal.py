"""What Prometheus, or whatever stands in its place, means by a status other than 200."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import orjson

from data_sources.errors import QueryRejected, SourceError, SourceUnreachable
from data_sources.http import HttpClient, Reply

SOURCE = "Prometheus"
SETTING = "PROMETHEUS"
MAX_ERROR_TEXT = 300
MAX_ERROR_BYTES = 2**16
# 503 "query timed out in expression evaluation", 422 "expanding series: context deadline exceeded"
OUT_OF_TIME = re.compile("timed out|context deadline exceeded|context canceled")
# Go's, nginx's and Apache's words to whoever speaks HTTP to a port of HTTPS
WANTS_TLS = re.compile(
    rb"HTTP request to an HTTPS server|HTTP request was sent to HTTPS port|plain HTTP to an SSL-enabled server"
)
PAGE = re.compile(
    r"/(api(/v1)?(/query(_range)?)?|(classic/)?graph|query|targets|alerts|rules|vmui)$"
)  # not where it begins
TENANT = re.compile("org id", re.IGNORECASE)  # "no org id": Mimir, Cortex


def refusal(reply: Reply, asked: HttpClient) -> SourceError:
    """A status other than 200 as an error, with the server's own text where it gives one."""
    status, text = reply.status, error_text(reply.body)
    said = f": {line}" if (line := text or asked.line_of(reply)) else ""
    match status:
        case _ if OUT_OF_TIME.search(text):
            return SourceUnreachable(SOURCE, f"gave up: {text}", "Ask for a shorter range, or for fewer series.")
        case 400 | 422 if text:
            return QueryRejected(SOURCE, text, "Change the query, the range or the step.", parameter="q")
        case 400 if WANTS_TLS.search(reply.body[:MAX_ERROR_BYTES]):
            return SourceUnreachable(SOURCE, "speaks TLS, and was asked without", f"Write https:// in {SETTING}_URL.")
        case 401 | 403:
            credentials = f"{SETTING}_USERNAME and {SETTING}_PASSWORD, or {SETTING}_BEARER_TOKEN"
            hint = f"Check {credentials}; what else is wanted goes into {SETTING}_HEADERS."
            if TENANT.search(line):
                hint = f'Name the tenant: {SETTING}_HEADERS={{"X-Scope-OrgID": "..."}}'
            return SourceUnreachable(SOURCE, f"does not let us in ({status}){said}", hint)
        case 404 | 405:
            hint = f"Check the path in {SETTING}_URL: behind a proxy it may need one such as /prometheus."
            if page := PAGE.search(urlsplit(asked.endpoint.url).path):
                hint = f"Leave {page[0]} out of {SETTING}_URL, which says where Prometheus itself begins."
            return SourceUnreachable(SOURCE, f"has no query API at this address ({status})", hint)
        case 429:
            seconds = reply.headers.get("Retry-After", "")
            wait = f"Try again in {seconds} s." if re.fullmatch(r"\d{1,5}", seconds, re.ASCII) else "Try again later."
            return SourceUnreachable(SOURCE, "was asked too often (429)", wait)
    return SourceUnreachable(
        SOURCE, f"answered with status {status}{said}", "It, or a proxy in front of it, is in trouble."
    )


def error_text(body: bytes) -> str:
    """Prometheus's `error`, on one line and not over 300 characters; empty when the body has none."""
    try:
        document = orjson.loads(body[:MAX_ERROR_BYTES])
    except orjson.JSONDecodeError:
        return ""
    match document:
        case {"status": "error", "error": str(text)}:
            return " ".join(text.split())[:MAX_ERROR_TEXT]
    return ""
