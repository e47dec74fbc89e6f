"""Schedule: what is due, was it on time?"""

from cells import controls
from cells.show import headline, table
from cells.views.schedule import entries
from data_sources.schedule_query import Schedule
from headlines.schedule import schedule

asked = controls.asked(Schedule)

headline(schedule, entries=asked)

table(
    "entries",
    "What is due",
    "An entry that was missed ran late or not at all; one that ran twice has two beats, or was called by hand as well.",
    asked,
    entries,
)
