"""Tasks: what ran, failed, waits?"""

from functools import partial

from cells import controls
from cells.cell import row
from cells.filters import filters
from cells.show import headline, plot, table
from cells.steer import steer
from cells.views import steering_tasks, tasks
from data_sources.query import History
from data_sources.task_query import Failures, Histogram, TaskNames, Tasks
from headlines import tasks as headlines

asked = controls.asked(Tasks)
chosen = asked.filter
looked_for = asked != Tasks()  # somebody came for certain tasks: they stand first

headline(headlines.tasks, names=TaskNames(chosen), failures=Failures(chosen))

filters(chosen)

steer("found", partial(steering_tasks.found, controls.current().scope, chosen))

plot("histogram", "When", "Drag over the bars to see that time alone.", row("tasks", Histogram(chosen), "bars"))

listed = partial(table, "tasks", "What ran", "Each leads to all that is known of it.", asked, tasks.tasks)

if looked_for:
    listed()

table(
    "names",
    "By task",
    "What takes most of the time spent is what a faster task, or a worker less, would be felt in.",
    TaskNames(chosen),
    tasks.names,
    throughput=History("throughput", "name"),
)

table(
    "failures",
    "What failed",
    "Exceptions that read alike, whatever numbers and names stand in them. Each number leads to its tasks.",
    Failures(chosen),
    tasks.failures,
)

if not looked_for:
    listed()
