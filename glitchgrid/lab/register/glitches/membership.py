"""How a replaced disk is taken in."""

from typing import Any

import glitchgrid.protocol.member
from glitchgrid.lab.register.glitches.catalogue import glitch
from glitchgrid.peers.membership import GridMembership
from glitchgrid.protocol.member import Member, Phase
from glitchgrid.storage.rosterfile import decode_question, encode_membership


@glitch(
    "empty-disk-votes",
    Member,
    "votes",
    what="A vault whose disk was replaced answers with the empty one while it asks to be taken in.",
    so="A majority with it need not have heard of what was acknowledged.",
)
def _empty_disk_votes(original: Any) -> Any:
    return property(lambda self: self.now.phase is Phase.REJOINING or original.fget(self))


@glitch(
    "joins-without-storing",
    GridMembership,
    "_join",
    what="A replaced vault asks its peers for the largest value, and votes without having stored it.",
    so="Its disk is as empty as before: what the one before it had acknowledged has one holder less.",
)
def _joins_without_storing(_original: Any) -> Any:
    async def join(self: Any) -> None:
        joined = self._member.join()
        if joined is not None:
            await self._write(joined[1])

    return join


@glitch(
    "one-peer-is-enough",
    glitchgrid.protocol.member,
    "answers_needed",
    what="A replaced vault votes as soon as one peer has let it in.",
    so="That peer may be the one that has missed what the replaced disk had acknowledged.",
)
def _one_peer_is_enough(_original: Any) -> Any:
    return lambda vaults: min(vaults - 1, 1)


@glitch(
    "fences-nobody-writes-down",
    GridMembership,
    "_fence",
    what="A peer lets a replaced vault in, and does not write down who does not count any more.",
    so="A control goes on counting what the replaced disk had acknowledged before it was lost.",
)
def _fences_nobody_writes_down(_original: Any) -> Any:
    async def fence(self: Any, text: bytes) -> bytes:
        return encode_membership(self._member.fence(decode_question(text)), self._store.value)

    return fence
