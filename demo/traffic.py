"""The shop's customers and clocks: they send the sample app its tasks until they are stopped.

A day of customers passes in ten minutes, so that a chart of half an hour shows their wave; clocks send their
bursts in between. The order of events is random and the same in every run.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from celery import chord

from demo import shop

DAY_SECONDS = 600


def wave(elapsed_seconds: float) -> float:
    """How many times more customers than on average are there: 0.25 by night, 1.75 at noon. Starts mid-morning."""
    return 1 + 0.75 * math.sin(2 * math.pi * elapsed_seconds / DAY_SECONDS)


def order(dice: Random) -> None:
    order_id = dice.randrange(10**6)
    shop.check_payment.delay(order_id)
    shop.confirm_order.delay(order_id)


def forgotten_password(dice: Random) -> None:
    shop.reset_password.delay(dice.randrange(10**5))


def left_basket(dice: Random) -> None:
    """A reminder for later; one customer in five buys before it is due, so it is revoked."""
    reminder = shop.remind_of_basket.apply_async((dice.randrange(10**5),), countdown=dice.uniform(20, 120))
    if dice.random() < 0.2:
        reminder.revoke()


def new_product(dice: Random) -> None:
    """A burst of pictures, more than the workers can take at once."""
    photo = dice.randrange(10**6)
    for view in range(dice.randint(3, 12)):
        shop.remove_background.delay(photo + view)
        for width in (160, 640):
            shop.resize.delay(photo + view, width)


def weekly_newsletter(dice: Random) -> None:
    issue = f"issue {dice.randrange(100)}"
    for customer in range(dice.randint(60, 160)):
        shop.newsletter.delay(issue, customer)


def supplier_feeds(dice: Random) -> None:
    for supplier in ("acme", "globex", "initech", "umbrella"):
        shop.import_catalogue.delay(supplier)


def evening_report(dice: Random) -> None:
    chord(shop.sales_of_shop.s(number) for number in range(1, 9))(shop.daily_sales.s())


def accountant(dice: Random) -> None:
    shop.export_year.delay(dice.randint(2015, 2025))


@dataclass(frozen=True)
class Sender:
    """Something that acts every so often: customers at random and with the wave, clocks on time."""

    act: Callable[[Random], None]
    every_seconds: float
    first_seconds: float = 0.0
    on_time: bool = False

    def pause(self, elapsed_seconds: float, dice: Random) -> float:
        return self.every_seconds if self.on_time else dice.expovariate(wave(elapsed_seconds) / self.every_seconds)


SENDERS = (
    Sender(order, 0.8),
    Sender(forgotten_password, 6),
    Sender(left_basket, 4),
    Sender(new_product, 25),
    Sender(weekly_newsletter, 90, first_seconds=10, on_time=True),
    Sender(supplier_feeds, 30, first_seconds=2, on_time=True),
    Sender(evening_report, 60, first_seconds=15, on_time=True),
    Sender(accountant, 75, first_seconds=5, on_time=True),
)


def send_for_ever(dice: Random) -> None:
    begin = time.monotonic()
    due = [(sender.first_seconds, number) for number, sender in enumerate(SENDERS)]
    heapq.heapify(due)
    while True:
        moment, number = heapq.heappop(due)
        time.sleep(max(0.0, begin + moment - time.monotonic()))
        SENDERS[number].act(dice)
        heapq.heappush(due, (moment + SENDERS[number].pause(moment, dice), number))


if __name__ == "__main__":
    send_for_ever(Random(7))
