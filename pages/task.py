"""One task: what happened to it, where did its time go, and what does it belong to?"""

from functools import partial

from cells import controls
from cells.lookup import lookup
from cells.show import end, facts, headline, picture, table
from cells.steer import steer
from cells.views import comparison, family, steering_tasks, task
from data_sources.query import Depths, Workers
from data_sources.run_query import Compared, Held, Runs
from data_sources.task_query import Family, Task
from headlines.task import task as happened

id = controls.text("id")
if not id:
    lookup("find", "Which task?", "Give its id, as it stands in your app's log.", "/task", "id")
    end()

headline(happened, task=Task(id), workers=Workers(), runs=Runs(id))

steer("task", partial(steering_tasks.task, id), task=Task(id), depths=Depths())

picture(
    "timeline",
    "Where its time went",
    "A long time in the queue wants more workers; a long time in a worker before the start wants less prefetching.",
    Task(id),
    task.timeline,
)

facts(
    "facts",
    "What is known of it",
    "As events told it. What no event told is a dash.",
    Task(id),
    task.facts,
    held=Held(id),
)

picture(
    "runtimes",
    "Its newest runs",
    "One slow run among quick ones is its arguments; all of them slower is a deploy, or what they call.",
    Runs(id),
    task.runtimes,
)

table("runs", "", "", Runs(id), task.runs, task=Task(id))

other = controls.text("with")
picture(
    "comparison",
    "Beside another run" if other else "Beside the last success",
    "What differs between the two is where to look.",
    Compared(id, other),
    comparison.comparison,
)

picture(
    "family",
    "Its family",
    "Who sent whom, on one axis of time: light is waiting, colour is running.",
    Family(id),
    family.family,
)

lookup("find", "Another task", "", "/task", "id")
