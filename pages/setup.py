"""Setup: what is connected, what is off, where is what is remembered?"""

from cells.show import facts, headline, table
from cells.views.setup import connected, history, off
from data_sources.setup_query import Recording, Setup
from headlines.setup import setup

headline(setup, parts=Setup())

table(
    "connected",
    "What is connected",
    "Each with what it said last. One that fails is asked again by itself.",
    Setup(("ok", "failing", "pending", "unknown", "partly")),
    connected,
)

facts(
    "off",
    "What is off",
    "Settings of ours stand in the environment, or in small letters in the TOML file, and are read at start.",
    Setup(("off", "partly")),
    off,
)

facts("history", "The history", "What is remembered, and who writes it down.", Recording(), history)
