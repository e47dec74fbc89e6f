"""Overview: is it healthy, since when, what is the cause?"""

from cells.cell import over, row
from cells.show import headline, plot, table
from cells.views import queues, workers
from data_sources.query import Depths, History, Signal, Workers
from headlines.overview import overview

depth = Signal("depth", "queue")
throughput, failures = Signal("throughput"), Signal("failures")

headline(overview, workers=Workers(), queues=Depths(), depth=depth, throughput=throughput, failures=failures)

plot(
    "cockpit",
    "What happened",
    "Depth rising while throughput falls means workers are missing, not that traffic grew.",
    row("tasks / s", Signal("throughput", "name"), "stacked", over(failures, "failed", "failed")),
    row("waiting", depth, "lines"),
    row("memory", Signal("memory", "container"), "lines", over(Signal("memory_limit", "container"), "limit")),
    row("busy slots", Signal("busy_slots"), "steps", over(Signal("slots"), "limit", "all slots")),
)

table(
    "workers",
    "Who works",
    "A worker that answers but takes nothing while its queue grows is the one to look at first.",
    Workers(),
    workers.workers,
    throughput=History("throughput", "worker"),
)

table(
    "queues",
    "What waits",
    "Unacked messages are held by a worker; they come back to the queue if it dies.",
    Depths(),
    queues.queues,
    depth=depth,
)
