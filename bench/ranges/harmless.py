"""Actors that nobody wants to hear of: jobs, phones, offices, fleets. Drawn at random like the attacks."""

from __future__ import annotations

from collections.abc import Callable

from bench.ranges.families import Made, World, new_consumer, paced


def job(world: World) -> Made:
    """A job that runs each minute at the same second, and runs a little over its limit."""
    random, who = world.random, new_consumer(world.random, "nightly job")
    second, size, home = random.randrange(60), random.randrange(20, 45), world.address()
    calls = [
        world.call("job", minute * 60 + second + i * 0.15, "orders-list", who, home)
        for minute in range(world.length_s // 60)
        for i in range(size)
    ]
    return calls, None


def phones(world: World) -> Made:
    """A mobile app with a key per user behind a few carriers' shared addresses."""
    random = world.random
    carriers = [world.address().rpartition(".")[0] for _ in range(3)]
    users = [new_consumer(random, f"phone {i}") for i in range(60)]
    at_home = {i: random.choice(carriers) for i in range(60)}
    calls = []
    for at in paced(random, 5, world.length_s - 10, 3, 1):
        user = random.randrange(60)
        place = f"{at_home[user]}.{1 + (user * 3 + random.randrange(2)) % 9}"
        calls.append(
            world.call("phones", at, random.choice(("orders-list", "search-public")), users[user], place)
        )
    return calls, None


def fleet(world: World) -> Made:
    """One consumer on many machines of one network, new ones now and then."""
    random, who = world.random, new_consumer(world.random, "fleet")
    network = world.address().rpartition(".")[0]
    calls = []
    for at in paced(random, 5, world.length_s - 10, 1.2, 1):
        machine = random.randrange(5 + int(at // 25))
        calls.append(world.call("fleet", at, "payments-charge", who, f"{network}.{machine + 10}"))
    return calls, None


def office(world: World) -> Made:
    """People without consumers behind one address, now and then over the limit of an address."""
    random, place = world.random, world.address()
    calls = [
        world.call("office", at, random.choice(("search-public", "search-suggest")), None, place)
        for at in paced(random, 5, world.length_s - 10, random.uniform(0.8, 1.8), 1)
    ]
    return calls, None


def visitors(world: World) -> Made:
    """People of one provider's network, each at an own pace."""
    random = world.random
    network = world.address().rpartition(".")[0]
    weights = [random.paretovariate(1.2) for _ in range(60)]
    calls = [
        world.call(
            "visitors", at, random.choice(("search-public", "search-public", "search-suggest")), None,
            f"{network}.{random.choices(range(1, 61), weights)[0]}",
        )
        for at in paced(random, 5, world.length_s - 10, 2, 1)
    ]  # fmt: skip
    return calls, None


def expired(world: World) -> Made:
    """A client whose key has expired, asking each few seconds."""
    random, place = world.random, world.address()
    calls = [
        world.failure("expired", at, "accounts-profile", place)
        for at in paced(random, 5, world.length_s - 10, random.uniform(0.05, 0.14), 0.2)
    ]
    return calls, None


def crowded(world: World) -> Made:
    """A consumer of several programs that is over its limit much of the time, on many routes, at random."""
    random, who = world.random, new_consumer(world.random, "batch cluster")
    places = [world.address() for _ in range(2)]
    routes = ("orders-list", "orders-create", "accounts-profile", "fx-rates", "payments-charge")
    calls = [
        world.call("crowded", at, random.choice(routes), who, random.choice(places))
        for at in paced(random, 5, world.length_s - 10, random.uniform(0.5, 1.6), 1)
    ]
    return calls, None


HARMLESS: tuple[Callable[[World], Made], ...] = (
    job, phones, fleet, office, visitors, expired, crowded,
)  # fmt: skip
