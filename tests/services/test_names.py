"""`twistd dns`: a primary server, a secondary that fetches the zone from it over TCP, and clients over UDP."""

from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import Any

from lost import LOST
from twisted.internet import task
from twisted.names import client, dns
from twisted.names.error import DNSQueryTimeoutError, DomainError

from glitchgrid.testing import World, simulated

ZONE = Path(__file__).parent / "programs" / "zone.py"
ADDRESSES = {"www.example.com": "192.0.2.80", "mail.example.com": "192.0.2.25"}

Answers = Counter[tuple[str, str]]


async def look_up(reactor: Any, server: str, answers: Answers) -> None:
    """Twice a second, and later twice a minute."""
    resolver = client.Resolver(servers=[(server, 53)], timeout=(1, 1, 2), reactor=reactor)
    for number, name in enumerate(cycle(ADDRESSES)):
        await task.deferLater(reactor, 0.5 if number < 60 else 30, lambda: None)
        try:
            found, _, _ = await resolver.lookupAddress(name)
        except (*LOST, DNSQueryTimeoutError, DomainError):
            continue  # nobody has answered, or a secondary that has no zone yet
        answers.update((name, each.payload.dottedQuad()) for each in found if each.type == dns.A)


def both_servers_say_what_the_zone_says(world: World, within_s: float) -> None:
    primary, secondary = world["primary"], world["secondary"]
    primary.run("-n", "--pidfile=", "dns", "--port=53", f"--pyzone={ZONE}")
    secondary.run("-n", "--pidfile=", "dns", "--port=53", f"--secondary={primary.address}/example.com")
    answers: dict[str, Answers] = {"primary": Counter(), "secondary": Counter()}
    for each in (primary, secondary):
        world[f"client-of-{each.name}"].run(look_up, each.address, answers[each.name])
    world.faults("kill", "cut", "pause", "slow", on=["primary", "secondary"], until=10)
    world.always(lambda: all(set(each) <= set(ADDRESSES.items()) for each in answers.values()), "it is the zone's")
    world.run(12)
    for each in answers.values():
        each.clear()
    assert world.run(60, until=lambda: set(answers["primary"]) == set(ADDRESSES.items()))
    has_come = world.run(within_s, until=lambda: set(answers["secondary"]) == set(ADDRESSES.items()))
    assert has_come, f"the secondary has no zone within {within_s} s"


@simulated(seeds=50)
def test_both_servers_say_what_the_zone_says(world: World) -> None:
    # A secondary that does not reach its primary tries again in an hour, whatever the zone says.
    both_servers_say_what_the_zone_says(world, 3700)


@simulated(seeds=50)
def test_the_secondary_has_the_zone_within_a_minute(world: World) -> None:
    both_servers_say_what_the_zone_says(world, 60)
