"""Workers: who is there, who should be, who works, who is wedged?"""

from cells.cell import over, row
from cells.show import headline, plot, table
from cells.steer import steer
from cells.views import steering, workers
from data_sources.query import Depths, History, Inspect, Signal, Workers
from headlines import workers as headlines

headline(headlines.workers, workers=Workers(), queues=Depths())

table(
    "workers",
    "Who works",
    "Open a verdict to see what its three witnesses say: the heartbeat, the answers, and what it takes on.",
    Workers(),
    workers.all_workers,
    throughput=History("throughput", "worker"),
    memory=Signal("memory", "container"),
    hostnames=Signal("memory", "hostname"),
)

steer(
    "workers",
    steering.workers,
    chosen_in="workers",
    registered=Inspect("registered"),
    depths=Depths(),
)

plot(
    "work",
    "What they did",
    "One line that falls to 0 while the others rise is a worker that takes nothing any more.",
    row("busy slots", History("busy_slots", "worker"), "stacked", over(History("slots"), "limit", "all slots")),
    row("accepted / s", History("throughput", "worker"), "lines"),
)

table(
    "differences",
    "What differs",
    "While a deploy is half done, some workers have a setting or a task that others lack.",
    Inspect("conf"),
    workers.differences,
    registered=Inspect("registered"),
)
