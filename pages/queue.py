"""One queue: how much waits in it, what is inside, and who works on it?"""

from functools import partial

from cells import controls
from cells.cell import over, row
from cells.show import end, facts, headline, plot, table
from cells.steer import steer
from cells.views import queue, queues, steering, tasks
from data_sources.query import Depths, History, Workers
from data_sources.queue_query import Xray
from data_sources.task_query import TaskFilter, TaskNames, Tasks
from headlines import queues as headlines

name = controls.text("name")
if not name:
    table("queues", "Which queue?", "", Depths(), queues.all_queues, depth=History("depth", "queue"))
    end()

one = (name,)
ran = TaskFilter(queues=one)
headline(headlines.queue, queues=Depths(one), workers=Workers())

steer("queue", partial(steering.queue, name), workers=Workers(), depths=Depths(one))

facts("facts", "What is known of it", "From the broker, and from what workers say.", Depths(one), queue.facts)

plot(
    "flow",
    "What flowed",
    "Unacked that stays while nothing ends is held for an ETA, or by workers that are stuck.",
    row("waiting", History("depth", "queue", (name,)), "lines"),
    row("unacked", History("unacked", "queue", (name,)), "steps"),
    row(
        "tasks / s",
        History("throughput", "queue", (name,)),
        "stacked",
        over(History("failures", "queue", (name,)), "failed"),
    ),
    row("wait p95", History("wait_p95", "queue", (name,)), "lines"),
)

table(
    "xray",
    "What is inside",
    "From a sample of it. No argument is decoded.",
    Xray(name, "task"),
    queue.mix,
)

table("messages", "Message by message", "What is taken next, and what came last.", Xray(name), queue.inside)

table(
    "consumers",
    "Who consumes it",
    "One that is wedged or silent leaves it to the others.",
    Workers(queues=one),
    queue.consumers,
    throughput=History("throughput", "worker"),
)

table(
    "names",
    "What ran from it, by task",
    "Only clients with task_send_sent_event tell the queue of a task.",
    TaskNames(ran),
    tasks.names,
)

table("tasks", "What ran from it last", "Each leads to all that is known of it.", Tasks(ran), tasks.tasks)
