"""Who does what when, made up: one chunk of events after the other, as arrays, the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

SECOND: Final = 1_000_000  # microseconds, as all instants and durations here
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR

NAMES: Final = (
    "Content Viewed", "Product Viewed", "Product List Viewed", "Products Searched", "Product Added",
    "Video Played", "Email Opened", "Checkout Started", "Order Completed", "User Logged In",
    "Link Clicked", "Article Read", "Cart Viewed", "Product Removed", "Email Clicked",
    "Coupon Applied", "Product Shared", "Wishlist Product Added", "Push Opened", "Payment Info Entered",
    "Form Submitted", "Review Submitted", "Product Rated", "File Downloaded", "Subscription Renewed",
    "Support Ticket Opened", "Order Refunded", "Settings Changed", "User Invited", "Order Cancelled",
)  # fmt: skip
"""The names of events, from the most to the least frequent."""

PRODUCTS: Final = (
    "Product Viewed", "Product Added", "Product Removed", "Product Shared", "Wishlist Product Added",
    "Review Submitted", "Product Rated",
)  # fmt: skip
ORDERS: Final = ("Cart Viewed", "Checkout Started", "Order Completed", "Order Refunded", "Order Cancelled")
CARTS: Final = ("Product Added", "Product Removed", "Coupon Applied", "Payment Info Entered", *ORDERS)
CATEGORIES: Final = ("Products Searched", "Product List Viewed", "Order Completed", *PRODUCTS)
CONTENTS: Final = (
    "Content Viewed",
    "Article Read",
    "Video Played",
    "Link Clicked",
    "File Downloaded",
    "Form Submitted",
)

DAYS_PER_CART: Final = 30
PLACEHOLDER: Final = 0
"""The user who owns a quarter of all events, where behaviour is bursty."""
PLACEHOLDER_SHARE: Final = 0.25
EVENTS_PER_BURST: Final = 12


@dataclass(frozen=True, slots=True)
class Chunk:
    """Events in the order in which they were received; a property that an event doesn't have is -1.

    ``received`` (strictly increasing) and ``happened`` are microseconds since 1970. ``name`` is a place in ``NAMES``,
    ``price`` and ``revenue`` are cents, ``duration`` milliseconds, the rest numbers that stand for texts.
    """

    message: Integers
    user: Integers
    name: Integers
    received: Integers
    happened: Integers
    source: Integers
    price: Integers
    quantity: Integers
    product: Integers
    category: Integers
    cart: Integers
    revenue: Integers
    coupon: Integers
    page: Integers
    duration: Integers
    device: Integers


def chunk(
    seed: Sequence[int],
    first_message: int,
    count: int,
    start: int,
    end: int,
    *,
    users: int,
    bursty: bool,
    late: float,
) -> Chunk:
    """``count`` events received from ``start`` to before ``end``, numbered from ``first_message``.

    ``late`` is the share of those that happened up to three days before they were received; one in 2,000 carries a
    time up to two hours ahead.
    """
    chance = np.random.default_rng(list(seed))
    if bursty:
        user, received = _bursts(chance, count, start, end, users)
    else:
        user, received = chance.integers(0, users, count), chance.integers(start, end, count)
    order = np.argsort(received, kind="stable")
    user, received = user[order], _increasing(np.minimum(received[order], end - 2 * count))
    source = chance.integers(0, 4, count)
    name = _zipf(chance, len(NAMES), count)
    happened = _happened(chance, received, late)
    if bursty:  # some sources know no fractions: events of one user at the very same time
        happened = np.where(source == 0, happened - happened % (10 * SECOND), happened)
    return Chunk(
        message=np.arange(first_message, first_message + count, dtype=np.int64),
        user=user,
        name=name,
        received=received,
        happened=happened,
        source=source,
        **_properties(chance, name, user, happened),
    )


def _zipf(chance: np.random.Generator, values: int, count: int) -> Integers:
    """Places of which the n-th is drawn in proportion to 1 / n."""
    sums = np.cumsum(1 / np.arange(1, values + 1))
    return np.searchsorted(sums / sums[-1], chance.random(count)).astype(np.int64)


def _increasing(instants: Integers) -> Integers:
    """The same in even microseconds, each after the one before. The odd ones are for copies of events."""
    places = 2 * np.arange(len(instants))
    return np.asarray(np.maximum.accumulate(instants - instants % 2 - places) + places)


def _bursts(chance: np.random.Generator, count: int, start: int, end: int, users: int) -> tuple[Integers, Integers]:
    """Users and times: visits of a dozen events within minutes, by users of whom some come much more often."""
    bursts = count // EVENTS_PER_BURST + 1
    burst = np.sort(chance.integers(0, bursts, count))
    eager = (users * chance.random(bursts) ** 2).astype(np.int64)
    user = eager[burst]
    user[chance.random(count) < PLACEHOLDER_SHARE] = PLACEHOLDER
    begin = chance.integers(start, end, bursts)
    return user, begin[burst] + chance.integers(0, HOUR // 3, count)


def _happened(chance: np.random.Generator, received: Integers, late: float) -> Integers:
    """Seconds before the event was received; sometimes days, and sometimes after it. In whole milliseconds."""
    count = len(received)
    delay = (chance.exponential(5 * SECOND, count)).astype(np.int64)
    share = chance.random(count)
    delay = np.where(share < late, chance.integers(0, 3 * DAY, count), delay)
    ahead = share > 1 - 1 / 2000
    delay = np.where(ahead, -chance.integers(0, 2 * HOUR, count), delay)
    happened = received - delay
    return np.asarray(happened - happened % 1000)


def _properties(chance: np.random.Generator, name: Integers, user: Integers, happened: Integers) -> dict[str, Integers]:
    count = len(name)

    def only(names: Iterable[str], values: Integers, share: float = 1.0) -> Integers:
        """The values at events of these names, or at a share of them."""
        holds = np.zeros(len(NAMES), dtype=np.bool_)
        holds[[NAMES.index(each) for each in names]] = True
        there = holds[name]
        if share < 1:
            there &= chance.random(count) < share
        return np.where(there, values, -1)

    return {
        "price": only(PRODUCTS, (chance.exponential(6_000, count) + 100).astype(np.int64), 0.99),
        "quantity": only(("Product Added", "Product Removed"), chance.integers(1, 6, count)),
        "product": only(PRODUCTS, _zipf(chance, 5_000, count)),
        "category": only(CATEGORIES, _zipf(chance, 20, count), 0.98),
        # A cart of a user lasts for a month or so: what is added in it is ordered in it, if at all.
        "cart": only(CARTS, user * 1_000 + happened // (DAYS_PER_CART * DAY) % 1_000),
        "revenue": only(ORDERS, (chance.exponential(12_000, count) + 500).astype(np.int64)),
        "coupon": only(("Order Completed", "Coupon Applied"), _zipf(chance, 40, count), 0.3),
        "page": only(CONTENTS, _zipf(chance, 300, count)),
        "duration": only(("Video Played", "Article Read"), (chance.exponential(90_000, count)).astype(np.int64)),
        "device": only((*NAMES[::2], "User Logged In"), chance.integers(0, 4, count), 0.95),
    }
