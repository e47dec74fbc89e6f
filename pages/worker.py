"""One worker: what is it made of, what does it hold, what is it told to do?"""

from functools import partial

from cells import controls
from cells.cell import over, row
from cells.show import end, facts, headline, plot, table
from cells.steer import changes, steer
from cells.views import steering, worker, workers
from data_sources.query import Depths, History, Inspect, Signal, Workers
from headlines import workers as headlines

name = controls.text("name")
if not name:
    table("workers", "Which worker?", "", Workers(), workers.workers, throughput=History("throughput", "worker"))
    end()

one = (name,)
stats, registered, consumed = (Inspect(method, one) for method in ("stats", "registered", "active_queues"))
headline(headlines.worker, workers=Workers(one))

steer("worker", partial(steering.worker, name, changes), one, stats=stats)

facts(
    "verdict",
    "What its witnesses say",
    "Its heartbeat, its answers, and what it takes on; each may be wrong alone.",
    Workers(one),
    worker.verdict,
    memory=Signal("memory", "container"),
    hostnames=Signal("memory", "hostname"),
)

plot(
    "work",
    "What it did",
    "Slots that stay busy while it accepts little are held by long tasks.",
    row(
        "busy slots",
        History("busy_slots", "worker", (name,)),
        "steps",
        over(History("slots", "worker", (name,)), "limit"),
    ),
    row("accepted / s", History("throughput", "worker", (name,)), "lines"),
)

table("active", "Runs", "Tasks under way.", Inspect("active", one), worker.active)
table(
    "reserved",
    "Has taken",
    "Prefetched, and not started: if it dies they come back.",
    Inspect("reserved", one),
    worker.reserved,
)
table(
    "scheduled",
    "Holds for later",
    "For an ETA or a countdown, or by a rate limit.",
    Inspect("scheduled", one),
    worker.scheduled,
)
table("queues", "Consumes", "Where its tasks come from.", consumed, worker.queues)
steer("consumers", steering.consumers, one, active=consumed, depths=Depths())

table(
    "limits",
    "Can run",
    "A task that is not here is refused, and lost.",
    registered,
    worker.limits,
    stats=stats,
)
steer("limits", steering.limits, one, registered=registered)

table(
    "revoked",
    "Leaves out",
    "Tasks that were revoked, as long as it remembers them.",
    Inspect("revoked", one),
    worker.revoked,
)
facts("stats", "Made of", "As it says itself.", stats, worker.stats)
table("conf", "Is told", "What differs from Celery's defaults; secrets are masked.", Inspect("conf", one), worker.conf)
