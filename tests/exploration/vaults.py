"""A vault as the exploration sees it: what is on its disk, what the kernel holds, what it shows.

What a store comes to is the real `glitchgrid.storage.fold`; when the result is durable, shown and answered is the
order of `glitchgrid.storage.store` (condition 2), and a restart does what `glitchgrid.storage.valuefile` does
(condition 3). In an intact vault those three moments are one step here: whoever sees it between them sees what a lost
answer shows too.
"""

from typing import NamedTuple

from glitchgrid.outcome import StoreOutcome, StoreRequest
from glitchgrid.storage.fold import fold

LATE_ALIKE_MAX = 2
"""So many late stores of one value are kept apart where they are unguarded. Of guarded ones, a second does nothing."""


class Vault(NamedTuple):
    durable: int = 0
    cached: int = 0
    """What a read of its file returns: the kernel's cache, which is ahead of the disk after a failed sync."""
    shown: int = 0
    """What its GET answers."""
    failed: bool = False
    """Has a sync failed since its start? Then it takes no store."""
    late: tuple[int, ...] = ()
    """Stores that their control has given up on; each may still come, or never."""


class VaultModel:
    """An intact vault. Broken ones override a step."""

    guarded = True

    def store(self, vault: Vault, value: int) -> tuple[Vault, StoreOutcome | None]:
        """Take a store: the vault after it, and its answer, None for a 500."""
        if vault.failed:
            return vault, None
        stored, (outcome,) = fold(vault.shown, [StoreRequest(value, self.guarded)])
        if stored == vault.shown:
            return vault, outcome
        return vault._replace(durable=stored, cached=stored, shown=stored), outcome

    def fail_to_sync(self, vault: Vault, value: int) -> Vault:
        """Take a store that the disk fails, if there is anything to write."""
        stored, _ = fold(vault.shown, [StoreRequest(value, self.guarded)])
        if vault.failed or stored == vault.shown:
            return vault
        return vault._replace(cached=stored, failed=True)

    def by_itself(self, vault: Vault) -> list[tuple[str, Vault]]:
        """What may happen to it without a request, in the words of a story."""
        happens: list[tuple[str, Vault]] = []
        if vault.failed:
            happens.append(("is restarted and serves {shown}", self.restart(vault)))
        if vault.failed or (vault.cached, vault.shown) != (vault.durable, vault.durable):
            lost = vault._replace(cached=vault.durable, shown=vault.durable, failed=False)
            happens.append(("loses its power, is restarted and serves {shown}", lost))
        return happens

    def restart(self, vault: Vault) -> Vault:
        """Read the file and write it anew, to a new file, before anything is served."""
        return vault._replace(durable=vault.cached, shown=vault.cached, failed=False)

    def begin(self, vault: Vault, value: int) -> Vault:
        """What a store leads to before it ends, as far as anybody could see."""
        return vault

    def remember(self, vault: Vault, value: int) -> Vault:
        """A store has been given up on: it may still come."""
        if vault.late.count(value) >= (1 if self.guarded else LATE_ALIKE_MAX):
            return vault
        return vault._replace(late=tuple(sorted((*vault.late, value))))

    def forget(self, vault: Vault, value: int) -> Vault:
        """One late store comes now, or never."""
        number = vault.late.index(value)
        return vault._replace(late=(*vault.late[:number], *vault.late[number + 1 :]))

    def tidied(self, vault: Vault) -> Vault:
        """Without the late stores that can't change anything any more: guarded, and no larger than what is durable."""
        if not (self.guarded and vault.late):
            return vault
        return vault._replace(late=tuple(value for value in vault.late if value > vault.durable))
