"""The vaults of a grid: where each is, whose data directory it has, and which of them must not be counted any more.

A roster is made at a grid's birth, and each vault keeps it on its disk. A *place* is one vault's; the data
directory there may be replaced, and then the place has another *identity*, and perhaps another address. An identity
that was replaced is *fenced*: its votes do not count. `glitchgrid.protocol.member` says when that happens, and why.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, product

from attrs import evolve, frozen

FENCED_MAX = 400
"""So many replacements a grid can take. Every answer of a vault names them all, and a line of a head has its limit."""

_LISTS_MAX = 4096
"""So many spellings of the list are known, with some places' addresses from before."""


def list_digest(addresses: Iterable[str]) -> str:
    """The name of a list of vaults: SHA-256 over its addresses, sorted, one a line. 64 hexadecimal digits.

    :param addresses: each in its canonical form.
    """
    return hashlib.sha256("".join(f"{each}\n" for each in sorted(addresses)).encode()).hexdigest()


@frozen
class Place:
    """:ivar address: where its vault is.
    :ivar identity: of the data directory that is there.
    :ivar earlier: the addresses and identities from before, as far as they are known here, the oldest first.
    """

    address: str
    identity: str
    earlier: tuple[tuple[str, str], ...] = ()

    @property
    def identities(self) -> frozenset[str]:
        """All that were ever there."""
        return frozenset({self.identity, *(identity for _, identity in self.earlier)})

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it is and where it was, each once."""
        return tuple(dict.fromkeys([self.address, *(address for address, _ in self.earlier)]))

    def taken_by(self, identity: str, address: str, named: Iterable[str] = ()) -> "Place":
        """With another data directory there.

        :param named: others that were there, as some other vault knows.
        """
        before = dict.fromkeys([*self.earlier, (self.address, self.identity)])
        before |= dict.fromkeys((self.address, each) for each in sorted(set(named) - self.identities))
        return Place(address, identity, tuple(each for each in before if each[1] != identity))

    def merged(self, other: "Place", fenced: frozenset[str]) -> "Place":
        """With what another vault knows of it.

        :param fenced: by what either knows. The latest identity is one that is not fenced.
        """
        known = dict.fromkeys([*self.earlier, *other.earlier, (self.address, self.identity)])
        known[other.address, other.identity] = None
        latest = [each for each in known if each[1] not in fenced]
        address, identity = latest[-1] if latest else (other.address, other.identity)
        return Place(address, identity, tuple(each for each in known if each[1] != identity))


@frozen
class Roster:
    """:ivar places: in the order of the addresses when the list was made.
    :ivar fenced: identities whose votes do not count.
    :ivar epoch: how often the list was changed since the grid's birth (`glitchgrid.protocol.change`).
    """

    places: tuple[Place, ...]
    fenced: frozenset[str] = frozenset()
    epoch: int = 0

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(place.address for place in self.places)

    @property
    def identities(self) -> tuple[str, ...]:
        """Who is in each place."""
        return tuple(place.identity for place in self.places)

    @property
    def known(self) -> frozenset[str]:
        """Everybody who is or was in some place."""
        return frozenset().union(self.fenced, *(place.identities for place in self.places))

    @property
    def is_certain(self) -> bool:
        """Is there one in each place who is not fenced?"""
        return all(len(place.identities - self.fenced) == 1 for place in self.places)

    def unmatched(self, addresses: Iterable[str]) -> tuple[list[int], list[str]]:
        """The places that none of these addresses leads or led to, and the addresses that never led to any."""
        left, free = [], dict(enumerate(self.places))
        for address in addresses:
            now = [number for number, place in free.items() if place.address == address]
            before = [number for number, place in free.items() if address in place.addresses]
            if now or before:
                del free[(now or before)[0]]
            else:
                left.append(address)
        return list(free), left

    def allows(self, addresses: Sequence[str]) -> bool:
        """May a vault be started with this list? One place may have an address that is new here."""
        return len(addresses) == len(self.places) and len(self.unmatched(addresses)[1]) <= 1

    def place_for(self, address: str, peers: Sequence[str]) -> int | None:
        """The number of the place of a vault at `address`, which was started with the list `peers`.

        It has another address than before where its list differs from this one in that place alone.
        """
        for number, place in enumerate(self.places):
            if place.address == address:
                return number
        places, left = self.unmatched(peers)
        if left == [address] and len(places) == 1:
            return places[0]
        return next((number for number, place in enumerate(self.places) if address in place.addresses), None)

    def taken(self, number: int, identity: str, address: str, named: Iterable[str]) -> "Roster":
        """With `identity` in a place, and with all others fenced that were there: these, and those that are known."""
        places = list(self.places)
        place = places[number] = places[number].taken_by(identity, address, named)
        return evolve(self, places=tuple(places), fenced=self.fenced | (place.identities - {identity}))

    def changed(self, addresses: Iterable[str], added: Mapping[str, str]) -> "Roster":
        """The next list. Who is not in it any more does not count any more.

        :param added: the identities of those that have no place yet, by their addresses.
        """
        kept = {place.address: place for place in self.places}
        places = tuple(kept.get(each) or Place(each, added[each]) for each in sorted(addresses))
        left = frozenset(self.identities) - {place.identity for place in places}
        return Roster(places, self.fenced | left, self.epoch + 1)

    def merged(self, other: "Roster") -> "Roster":
        """What both know together. Both are of one grid; where one has a later list, that is the list."""
        fenced = self.fenced | other.fenced
        if self.epoch != other.epoch:
            return evolve(max(self, other, key=lambda each: each.epoch), fenced=fenced)
        pairs = zip(self.places, other.places, strict=True)
        return evolve(self, places=tuple(mine.merged(theirs, fenced) for mine, theirs in pairs), fenced=fenced)

    def digests(self) -> tuple[str, frozenset[str]]:
        """Of the list of addresses, and of the lists in which some places have an address from before."""
        lists = islice(product(*(place.addresses for place in self.places)), _LISTS_MAX)
        now = list_digest(self.addresses)
        return now, frozenset(map(list_digest, lists)) - {now}
