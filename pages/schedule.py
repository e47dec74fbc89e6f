"""Schedule: what is due, was it on time?"""

from cells import controls
from cells.show import headline, picture, table
from cells.views.schedule import entries, load
from data_sources.schedule_query import Schedule, ScheduledLoad
from headlines.schedule import schedule

asked = controls.asked(Schedule)

headline(schedule, entries=asked)

table(
    "entries",
    "What is due",
    "A block is a due time: green on time, orange late, red failed, hollow missed; violet is a run more than was due, "
    "of a second beat or by hand.",
    asked,
    entries,
)

picture(
    "load",
    "What it will bring",
    "Runs that are due in the next 24 hours, as long as their median run: 3,600 seconds an hour keep one slot busy.",
    ScheduledLoad(asked.entries),
    load,
)
