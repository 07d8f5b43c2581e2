"""A whole grid at one moment: does it serve, how much can it lose, and what should somebody look after?"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from attrs import frozen

from glitchgrid.protocol.quorum import majority
from glitchgrid.sight.members import Control, Vault


@frozen
class Warned:
    """:ivar cure: what to do about it."""

    text: str
    cure: str


@frozen
class Grid:
    """:ivar controls: those that were asked.
    :ivar vaults: those that the controls have; none where no control tells.
    """

    controls: Sequence[Control]
    vaults: Sequence[Vault]

    @property
    def is_reached(self) -> bool:
        """Does any control answer?"""
        return any(control.is_up for control in self.controls)

    @property
    def serves(self) -> bool:
        """Has a control answered a read?"""
        return any(control.serves for control in self.controls)

    @property
    def value(self) -> int | None:
        """The largest that a control has answered."""
        return max(
            (control.answer.value for control in self.controls if control.answer.value is not None), default=None
        )

    @property
    def floor(self) -> int | None:
        """The largest value that is known to be committed."""
        floors = [control.floor for control in self.controls if control.floor is not None]
        return max([*floors, *([] if self.value is None else [self.value])], default=None)

    @property
    def majority(self) -> int:
        return majority(len(self.vaults))

    @property
    def vaults_up(self) -> int:
        """How many take stores."""
        return sum(vault.takes_stores for vault in self.vaults)

    @property
    def losses_left(self) -> int:
        """How many more vaults may be lost until writes stop; below 0 when they have."""
        return self.vaults_up - self.majority

    @property
    def is_degraded(self) -> bool:
        """Serves, or not, with something down."""
        controls_down = any(not control.serves for control in self.controls)
        return not self.serves or controls_down or self.vaults_up < len(self.vaults)

    def lag(self, vault: Vault) -> int | None:
        """How far below the floor a vault is; None where that can't be said."""
        if vault.shown is None or self.floor is None:
            return None
        return max(0, self.floor - vault.shown)

    @property
    def headline(self) -> str:
        """How it is, in a sentence or two."""
        if not self.is_reached:
            count = len(self.controls)
            nobody = "Control does not answer" if count == 1 else f"None of {count} controls answers"
            return f"{nobody}: whether the grid serves cannot be said."
        serving = f"Serving {self.value}." if self.serves else "Not serving."
        if not self.vaults:
            return f"{serving} Control does not tell its vaults."
        return f"{serving} {self._vaults_in_words()}"

    def _vaults_in_words(self) -> str:
        count, up = len(self.vaults), self.vaults_up
        have = f"{up} of {_vaults(count)} {_is(up)} up" if up < count else f"All {count} vaults are up"
        if count == 1 and up:
            have = "Its only vault is up"
        left = self.losses_left
        if left < 0:
            return f"{have}, and it takes {self.majority}."
        if not self.serves:
            return f"{have}, and a read finds no majority all the same."
        if not left:
            return f"{have}; one more loss and writes stop." if count > 1 else f"{have}; without it nothing is served."
        return f"{have}; it can lose {left}{'' if up == count else ' more'}."

    def warnings(self) -> Iterator[Warned]:
        """What somebody should look after, each with its cure."""
        for control in self.controls:
            if control.is_up and not control.status:
                yield Warned(
                    f"{control.name} tells no status: it is an original control, or an older one",
                    "ask its vaults themselves, or start a control of this version",
                )
        for vault in self.vaults:
            yield from _of_vault(vault)
        yield from self._doubles()
        yield from self._others()

    def _doubles(self) -> Iterator[Warned]:
        by_identity = defaultdict(list)
        for vault in self.vaults:
            if vault.identity:
                by_identity[vault.identity].append(vault.name)
        for identity, names in by_identity.items():
            if len(names) > 1:
                yield Warned(
                    f"{' and '.join(names)} are one vault ({identity}): it counts once",
                    "mend --vaults, so that each address leads to a vault of its own",
                )

    def _others(self) -> Iterator[Warned]:
        members = [*self.controls, *self.vaults]
        versions = sorted({member.version for member in members if member.version})
        if len(versions) > 1:
            yield Warned(f"versions differ: {', '.join(versions)}", "start all servers with one version")
        for member in members:
            if member.has_unknown_form:
                yield Warned(
                    f"{member.name} tells its status in another form than this program knows",
                    "use the glitchgrid of its version",
                )
        protocols = sorted({control.protocol for control in self.controls if control.protocol})
        if len(protocols) > 1:
            yield Warned(
                f"controls differ in their protocol: {', '.join(protocols)}",
                "start all controls with one --protocol: classic stores are not guarded",
            )


def _of_vault(vault: Vault) -> Iterator[Warned]:
    if vault.disk_failed:
        yield Warned(
            f"{vault.name} takes no store any more: a sync has failed since it was started",
            f"look at its log and its disk, then start {vault.name} again",
        )
    if vault.waits:
        yield Warned(
            f"{vault.name} {'waits' if vault.votes else 'does not vote'}: {vault.waits}",
            "do what it says, or start the vaults that it names",
        )
    if vault.losses:
        yield Warned(
            f"{vault.name} was told to go on without enough peers: what these had acknowledged alone is lost",
            "find out from the clients what that was, and write it anew",
        )
    if vault.is_up and not vault.status:
        yield Warned(
            f"{vault.name} tells no status: it is an original vault, which knows no guard",
            "a late store may undo newer ones there; start a vault of this version in its place",
        )
    if not vault.is_up and vault.known is not None and not vault.known.fails and vault.known.held is not None:
        yield Warned(
            f"{vault.name} answers control, and not from here: {vault.answer.problem}",
            f"ask from a machine that reaches {vault.address}",
        )


def _vaults(count: int) -> str:
    return "1 vault" if count == 1 else f"{count} vaults"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
