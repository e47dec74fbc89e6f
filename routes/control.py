"""POST /api/control/<order>: what operators may do, by the same rules as on the pages; what they did and changed.

The body is a JSON object. With `"dry_run": true` it tells the order's fields, and the answer holds the plan with its
`nonce`; nothing is sent. Then `{"nonce": "...", "confirm": "..."}` does what was planned, `confirm` being the plan's
`phrase` where it has one. docs/control.md has the orders and their fields.

    400  {"error": {"parameter": "rate", "message": "..."}}        the order cannot be given, or `confirm` is not right
    401, 403                                                       who asks is not known, or no operator
    404                                                            nobody may change anything here: no access is set up
    409  {"error": {"stale": "..."}}                               plan it anew: used, too old, or the workers changed
    502  {"error": {"source": "Redis", "kind": "unreachable", "what": ..., "hint": ...}}        nothing was done

Once the order was given the answer is 200, with `outcome` for each worker: done, refused or no reply. A failure that
stands beside them says why nothing was sent, or not all of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, cast

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from control import desk
from control.errors import Denied, Stale, Unconfirmed
from control.finding import check_kind
from control.plan import Line, Outcome, Plan
from control.planning import KINDS, Again, from_fields, grouped
from data_sources import ask
from data_sources.errors import BadParameter, QueryRejected, SourceError
from data_sources.fields import Params, ReadFields
from data_sources.scope import Range, Scope, iso
from data_sources.task_query import TaskFilter
from data_sources.workers.orders import Order
from data_sources.workers.task_arguments import MOST_BYTES, parsed
from identity import Person, of_headers
from routes.export import export_json
from routes.export_file import failed, refused

LANES = CapacityLimiter(8)  # threads that wait for workers
ORDERS = (*KINDS, Again.kind)
JSON_TEXTS = ("args", "kwargs")  # fields whose value is JSON itself
OFF = "Nobody may change anything here: docs/access.md says how operators are named"
NOT_OF_ORDER = ("dry_run", "nonce", "confirm", "cluster", "workers")
TIMES = ("range", "from", "to")  # of a filter


async def control(request: Request) -> Response:
    if not desk.desk().enabled:
        return off()
    person, kind = of_headers(request.headers), request.path_params["order"]
    if kind not in ORDERS:
        return refused("order", f"must be one of {', '.join(ORDERS)}")
    if not person.controls:  # and no body is read: who may not is not to make work, nor fill the audit
        await run_sync(desk.desk().deny, person, kind, limiter=LANES)
        return denied(person, str(Denied()))
    try:
        body = await read_body(request)
        work = partial(asked_for(body), person, kind, body)
    except BadParameter as error:
        return refused(error.name, error.message)
    return await run_sync(partial(answered, person, work), limiter=LANES)


def answered(person: Person, work: Callable[[], dict[str, Any]]) -> Response:
    try:
        return JSONResponse(work(), headers={"Cache-Control": "no-store"})
    except Denied as error:
        return denied(person, str(error))
    except Stale as error:
        return JSONResponse({"error": {"stale": str(error)}}, 409)
    except Unconfirmed as error:
        return refused("confirm", f"must be exactly “{error.phrase}”")
    except BadParameter as error:
        return refused(error.name, error.message)
    except QueryRejected as error:
        if error.parameter:
            return refused(error.parameter, error.what)
        return failed(source=error.source, kind="rejected", what=error.what, hint=error.hint)
    except SourceError as error:
        return failed(source=error.source, kind="unreachable", what=error.what, hint=error.hint)


def denied(person: Person, message: str) -> Response:
    if person.reads or person.controls:
        return JSONResponse({"error": {"message": message}}, 403)
    headers = {"WWW-Authenticate": "Bearer"}
    return JSONResponse({"error": {"message": "Say who asks: Authorization: Bearer ..."}}, 401, headers)


async def read_body(request: Request) -> dict[str, Any]:
    """Raises BadParameter."""
    text = b""
    async for chunk in request.stream():
        text += chunk
        if len(text) > MOST_BYTES:
            raise BadParameter("body", f"is longer than {MOST_BYTES:,} bytes")
    try:
        body = parsed("body", text.decode())
    except UnicodeDecodeError:
        raise BadParameter("body", "is not UTF-8") from None
    if not isinstance(body, dict):
        raise BadParameter("body", "must be a JSON object")
    return body


def asked_for(body: Mapping[str, Any]) -> Callable[[Person, str, Mapping[str, Any]], dict[str, Any]]:
    """Planning or acting. Raises BadParameter."""
    if body.get("dry_run") is True:
        return planned
    if not isinstance(body.get("nonce"), str):
        raise BadParameter("nonce", 'is missing: send the order with "dry_run": true first, and confirm its plan')
    return acted


def planned(person: Person, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Raises what control.desk raises."""
    cluster = body.get("cluster", ask.clusters()[0])
    if not isinstance(cluster, str):
        raise BadParameter("cluster", "must be a name")
    workers = texts_of("workers", body.get("workers", []))
    if body.get("workers") == []:
        raise BadParameter("workers", "names no worker: to Celery that would mean all of them")
    said = {name: value for name, value in body.items() if name not in NOT_OF_ORDER}
    if "filter" in body:
        plan = planned_found(person, kind, cluster, workers, said)
    elif kind == Again.kind:
        if len(workers) != 1:
            raise BadParameter("workers", "must name the one worker that is to get again what it lost")
        check_read(ReadFields(pairs(said)), kind)
        plan = desk.desk().plan_again(person, cluster, workers[0])
    else:
        plan = desk.desk().plan(person, order_of(kind, said), cluster, workers)
    return {"plan": plan_json(plan)}


def planned_found(person: Person, kind: str, cluster: str, workers: Sequence[str], said: Mapping[str, Any]) -> Plan:
    """Of all that a filter finds. Raises what control.desk raises."""
    check_kind(kind)
    if not isinstance(said["filter"], dict):
        raise BadParameter("filter", 'must be an object, such as {"state": ["FAILURE"]}')
    if "id" in said:
        raise BadParameter("id", "stands beside a filter, which says by itself which tasks are meant")
    times = {name: texts_of(name, said[name])[0] for name in TIMES if said.get(name)}
    scope, conditions = Scope(cluster, Range.from_params(times)), ReadFields(pairs(said["filter"]))
    wanted = TaskFilter.from_fields(conditions)
    check_read(conditions, "a filter")
    more = {name: value for name, value in said.items() if name not in ("filter", *TIMES)}
    order_of(kind, {**more, "id": "any"})  # what cannot be given is refused before anything is looked up
    return desk.desk().plan_found(person, kind, scope, wanted, fields_of(more), workers)


def acted(person: Person, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Raises what control.desk raises."""
    confirm = body.get("confirm", "")
    return outcome_json(desk.desk().act(person, body["nonce"], confirm if isinstance(confirm, str) else "", kind))


def order_of(kind: str, said: Mapping[str, Any]) -> Order:
    """Raises BadParameter."""
    given = ReadFields([*pairs(said), ("order", kind)])
    order = from_fields(given)
    check_read(given, kind)
    return order


def pairs(said: Mapping[str, Any]) -> Params:
    return [(name, text) for name, texts in fields_of(said).items() for text in texts]


def check_read(given: ReadFields, whose: str) -> None:
    """Raises BadParameter for a field that nobody knows: it may have meant something."""
    if given.ignored:
        raise BadParameter(given.ignored[0][:60], f"is no field of {whose}")


def fields_of(said: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """The fields of a form that a JSON object stands for."""
    return {
        name: [json.dumps(value, ensure_ascii=False)] if name in JSON_TEXTS else texts_of(name, value)
        for name, value in said.items()
        if value is not None
    }


def texts_of(name: str, value: Any) -> list[str]:
    """One text, number or truth, or a list of them. Raises BadParameter."""
    values = value if isinstance(value, list) else [value]
    return [text_of(name, one) for one in values]


def text_of(name: str, value: Any) -> str:
    match value:
        case bool():
            return str(int(value))
        case int() | float():
            return f"{value:.9f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        case str():
            return value
    raise BadParameter(name, "must be a text, a number, true or false, or a list of these")


def plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "nonce": plan.nonce,
        "expires": iso(plan.expires),
        "cluster": plan.cluster,
        "order": order_json(plan.order),
        "summary": plan.summary,
        "workers": plan.workers,
        "tasks": plan.tasks,
        "lines": lines_json(plan.lines),
        "warnings": plan.warnings,
        "phrase": plan.phrase,
        "sends": [order_json(send) for send in plan.sends],
    }


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    failure = outcome.failure
    return {
        "replies": [{"about": reply.worker, "outcome": reply.outcome, "text": reply.text} for reply in outcome.replies],
        "read_back": lines_json(outcome.read_back),
        "failure": failure
        and {"source": failure.source, "kind": failure.kind, "what": failure.what, "hint": failure.hint},
        "warnings": outcome.warnings,
        "audit": outcome.audit_id,
        "undo": outcome.undo and {**order_json(outcome.undo), "workers": outcome.undo_workers},
    }


def lines_json(lines: Sequence[Line]) -> list[dict[str, str]]:
    return [asdict(line) for line in lines]


def order_json(order: Order) -> dict[str, Any]:
    """The fields of an order: texts, or a list of those of which there may be many."""
    return {name: texts if name == "id" else texts[0] for name, texts in grouped(order.to_params()).items()}


async def audit(request: Request) -> Response:
    """What was done, newest first, as /export.json has it with source=audit."""
    if not desk.desk().enabled:
        return off()
    scope = {**request.scope, "query_string": b"source=audit&" + request.scope["query_string"]}
    return await export_json(Request(cast(Any, scope), request.receive))


async def changes(request: Request) -> Response:
    """What workers keep of it until they restart, and what they have lost."""
    person = of_headers(request.headers)
    if not desk.desk().enabled:
        return off()
    if not person.controls:
        return denied(person, "What was changed is for operators")
    cluster = request.query_params.get("cluster") or ask.clusters()[0]
    return await run_sync(partial(answered, person, lambda: {"changes": changes_json(cluster)}), limiter=LANES)


def changes_json(cluster: str) -> list[dict[str, Any]]:
    return [
        {
            "worker": change.worker,
            "order": order_json(change.order),
            "at": iso(change.at),
            "who": change.who,
            "lost": change.lost,
        }
        for change in desk.desk().changes(cluster)
    ]


def off() -> Response:
    return JSONResponse({"error": {"message": OFF}}, 404)


routes = [
    Route("/api/control/changes", changes, methods=["GET"]),
    Route("/api/control/audit", audit, methods=["GET"]),
    Route("/api/control/{order}", control, methods=["POST"]),
]
