"""How operations on the register end, and stores at one vault. No outcome is a bool: "no" may mean "nobody knows"."""

from attrs import frozen


@frozen
class Committed:
    """A majority of the vaults holds the value durably. Counts the vaults that had said so."""

    acknowledged: int
    vaults: int


@frozen
class Undecided:
    """No majority said so. The write is ambiguous: it may take effect now, later or never."""

    acknowledged: int
    vaults: int


@frozen
class Decreases:
    """The value is below the floor. Nothing was sent to any vault."""

    floor: int
    value: int


@frozen
class Holds:
    """The register's value; 0 before the first write."""

    value: int


@frozen
class Inconsistent:
    """No majority could decide what the value is."""


WriteOutcome = Committed | Undecided | Decreases
ReadOutcome = Holds | Inconsistent


@frozen
class StoreRequest:
    """A value to store. With the guard, a decrease is refused; without it, stored all the same."""

    value: int
    guarded: bool


@frozen
class Stored:
    """The vault holds `value` durably; `decreased_from` is set when that was a step down."""

    value: int
    decreased_from: int | None = None


@frozen
class Refused:
    """The guard refused the store: the vault holds `value` durably, and it is larger."""

    value: int


StoreOutcome = Stored | Refused
