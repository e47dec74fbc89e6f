"""Queues: how much waits, for how long, and who works on it?"""

from cells.cell import row
from cells.show import headline, plot, table
from cells.views import queues
from data_sources.query import Depths, History, Signal, Workers
from data_sources.queue_query import Leftovers
from headlines import queues as headlines

depth = Signal("depth", "queue")

headline(headlines.queues, queues=Depths(), workers=Workers())

table(
    "queues",
    "What waits",
    "Time to empty needs no event: it is how much waits, over how much less it becomes.",
    Depths(),
    queues.all_queues,
    depth=depth,
)

plot(
    "flow",
    "What flows",
    "A wait that rises while throughput stays means that more comes than workers can take.",
    row("waiting", depth, "lines"),
    row("tasks / s", History("throughput", "queue"), "stacked"),
    row("wait p95", History("wait_p95", "queue"), "lines"),
)

table(
    "leftovers",
    "Left behind",
    "What stands in the broker and nobody fetches. The commands are for you to run: nothing is changed from here.",
    Leftovers(),
    queues.left_behind,
)
