"""Run a task: by a form, for operators."""

from functools import partial

from cells import controls
from cells.operator import operator
from cells.show import headline
from cells.steer import steer
from cells.views import steering_tasks
from data_sources.query import Depths, Inspect
from headlines.control import closed, run

name, queue = controls.text("name"), controls.text("queue")

headline(partial(run, name) if operator() else closed)

steer("run", partial(steering_tasks.run, name, queue), in_page=True, registered=Inspect("registered"), depths=Depths())
