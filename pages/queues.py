"""Queues: how much waits, for how long, and who works on it?"""

from cells.show import table
from cells.views import queues
from data_sources.query import Depths, Signal

table("queues", "What waits", "", Depths(), queues.queues, depth=Signal("depth", "queue"))
