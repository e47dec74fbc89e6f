"""One change of a broker, done in time or not at all, or else said to be uncertain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from data_sources.brokers.broker_errors import explain, no_answer
from data_sources.config import Broker
from data_sources.errors import NotConfirmed, SourceError, SourceUnreachable

Result = TypeVar("Result")


class Errand:
    """What is left of the time there is, and whether there is a way back."""

    def __init__(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._given_up = False
        self.sent = False

    @property
    def left(self) -> float:
        """Seconds. Raises TimeoutError when there are none."""
        if (left := self.ends - time.monotonic()) <= 0:
            raise TimeoutError("no time is left")
        return left

    def send(self) -> None:
        """To be said right before the change is sent: it is not, when nobody waits for it any more.

        Raises TimeoutError.
        """
        with self._lock:
            if self._given_up:
                raise TimeoutError("it was given up")
            self.sent = True

    def give_up(self) -> None:
        with self._lock:
            self._given_up = True


def run(broker: Broker, seconds: float, act: Callable[[Errand], Result]) -> Result:
    """What `act` returns, in a thread that is given up at the deadline: name look-ups know no time-out.

    Raises QueryRejected, SourceUnreachable when nothing was sent, and NotConfirmed when something was.
    """
    errand, outcome = Errand(seconds), Future[Result]()

    def work() -> None:
        try:
            outcome.set_result(act(errand))
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=work, name="errand", daemon=True).start()
    try:
        return outcome.result(seconds)
    except SourceError as error:
        raise confessed(errand, error) from error
    except Exception as error:  # every transport has a driver with errors of its own
        errand.give_up()
        failure = no_answer(broker, seconds) if not outcome.done() else explain(error, broker)
        raise confessed(errand, failure) from error


def confessed(errand: Errand, error: SourceError) -> SourceError:
    """`error`, with what it means for a change: refused, not sent, or perhaps done."""
    if not isinstance(error, SourceUnreachable):
        return error
    if errand.sent:
        return NotConfirmed(error.source, error.what, "It was sent, and may have been done: look before you repeat it.")
    return SourceUnreachable(error.source, error.what, f"Nothing was sent. {error.hint}")
