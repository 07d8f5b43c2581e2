"""Every error that Glitch Grid raises on purpose.

::

    GlitchgridError
    +-- RequestError             what an HTTP client is told, with its status
    |   +-- BadRequest           400  this is no HTTP
    |   +-- InvalidValue         400  the body is no value
    |   +-- UnknownGuard         400  a guard that this vault does not know
    |   +-- ValueDecreases       400  below the floor, refused before anything was sent
    |   +-- ValueTooLarge        400  above what this control takes
    |   +-- Unauthorized         401  no token that this server knows
    |   +-- Forbidden            403  the token may read, and not write
    |   +-- NotFound             404
    |   +-- MethodNotAllowed     405
    |   +-- RequestTimeout       408  the request did not come to its end in time
    |   +-- ListDiffers          409  the sender's list of vaults is not this grid's
    |   +-- FenceRefused         409  a vault that rejoins is not let in by this one
    |   +-- ChangeRefused        409  a vault has no part in a change of the list
    |   +-- BodyTooLarge         413
    |   +-- ListMissing          428  a store without a list, at a vault with a roster
    |   +-- StoreFailed          500  the disk said no: nothing was acknowledged
    |   +-- InternalError        500  a bug; the log has it
    |   +-- Forming              503  this vault's grid is not formed yet
    |   +-- Rejoining            503  this vault's disk was replaced, and it is not taken in again yet
    |   +-- Changing             503  the list of vaults is being changed
    |   +-- Replaced             503  another vault has taken this one's place
    |   +-- StoreBusy            503  too many stores are waiting, or this one waits too long
    |   +-- TooManyConnections   503
    |   +-- TooManyOperations    503  so many wait in control; this one was not begun
    +-- StartError               why a server can't start: one line, and the process ends
    |   +-- DataDirectoryUnusable
    |   +-- DataDirectoryInUse
    |   +-- StoreDamaged
    |   +-- Misfit               the list of peers, or the data directory, is not of this grid
    |   +-- CannotListen
    +-- VaultError               why one vault's answer does not count
    |   +-- VaultTimeout
    |   +-- VaultUnreachable
    |   +-- VaultRefused
    |   +-- VaultAnswerInvalid
    +-- BadAddress               a text that is no HOST:PORT, or a list of them that can't be used
    +-- BadTokenFile             a file of tokens that can't be used
    +-- BadCertificateFile       a file of certificates or of a key that can't be used
"""

from collections.abc import Sequence


def one_line(text: object) -> str:
    """`text` as its user is shown it: on one line, with what can't be printed escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in str(text))


class GlitchgridError(Exception):
    """The root: catch this to catch everything that is not a bug."""


class RequestError(GlitchgridError):
    """An error with an answer of its own: `status` is HTTP's, `code` is stable and for programs."""

    status = 500
    code = "internal-error"
    message = "Internal error"

    def __init__(self) -> None:
        super().__init__(self.message)


class BadRequest(RequestError):
    status = 400
    code = "bad-request"
    message = "Bad request"


class InvalidValue(RequestError):
    status = 400
    code = "invalid-value"
    message = "Invalid or missing POST body"


class UnknownGuard(RequestError):
    """A guard that is not understood must not be dropped: the store would lose its protection."""

    status = 400
    code = "unknown-guard"
    message = "Unknown Glitchgrid-Guard"


class ValueDecreases(RequestError):
    """The value is below the floor; nothing was sent to any vault."""

    status = 400
    code = "value-decreases"

    def __init__(self, floor: int, value: int) -> None:
        self.floor = floor
        self.value = value
        self.message = f"Client would make value decrease from {floor} to {value}"
        super().__init__()


class ValueTooLarge(RequestError):
    """A value, but a larger one than this control lets its clients write; nothing was sent to any vault."""

    status = 400
    code = "value-too-large"

    def __init__(self, value: int, value_max: int) -> None:
        self.message = f"Value {value} is above {value_max}, the largest that this control takes"
        super().__init__()


class Unauthorized(RequestError):
    status = 401
    code = "unauthorized"
    message = "A token is needed that this server knows"


class Forbidden(RequestError):
    status = 403
    code = "forbidden"
    message = "This token may read, and not write"


class NotFound(RequestError):
    status = 404
    code = "not-found"
    message = "Not found"


class MethodNotAllowed(RequestError):
    status = 405
    code = "method-not-allowed"
    message = "Method not allowed"


class RequestTimeout(RequestError):
    status = 408
    code = "request-timeout"
    message = "Request took too long to arrive"


class ListDiffers(RequestError):
    """Two lists may have two majorities that share no vault. Names the list of this grid."""

    status = 409
    code = "list-differs"

    def __init__(self, addresses: Sequence[str]) -> None:
        self.message = f"The vaults of this grid are {','.join(addresses)}"
        super().__init__()


class FenceRefused(RequestError):
    """Why a vault that rejoins is not let in by this one."""

    status = 409
    code = "fence-refused"

    def __init__(self, reason: str) -> None:
        self.message = f"Not let in: {reason}"
        super().__init__()


class ChangeRefused(RequestError):
    """Why a vault has no part in a change of the list."""

    status = 409
    code = "change-refused"

    def __init__(self, reason: str) -> None:
        self.message = f"Not changed: {reason}"
        super().__init__()


class ListMissing(RequestError):
    """Whoever sends no list knows of no fences, and may count a vault that was replaced."""

    status = 428
    code = "list-missing"
    message = "A store needs Glitchgrid-List, as control sends it"


class BodyTooLarge(RequestError):
    status = 413
    code = "body-too-large"
    message = "POST body is too large"


class StoreFailed(RequestError):
    """A write or a sync failed, now or earlier: the store takes nothing until the vault is restarted."""

    status = 500
    code = "store-failed"
    message = "Store failed"


class InternalError(RequestError):
    """A bug in this program: the client is told no more than that, the log has the traceback."""


class Forming(RequestError):
    """Not all vaults of the grid are known to hold its roster: this one does not vote yet."""

    status = 503
    code = "forming"
    message = "Forming"


class Rejoining(RequestError):
    """The vault does not know yet what the disk before its own had acknowledged."""

    status = 503
    code = "rejoining"
    message = "Rejoining"


class Changing(RequestError):
    """The vault has promised to somebody who changes the list of vaults: by this list it acknowledges nothing more."""

    status = 503
    code = "changing"
    message = "Changing"


class Replaced(RequestError):
    """The vault is fenced: nobody would count its answer."""

    status = 503
    code = "replaced"
    message = "Replaced"


class StoreBusy(RequestError):
    """The disk is behind. The store may still take effect: the outcome is ambiguous."""

    status = 503
    code = "store-busy"
    message = "Store is busy"


class TooManyConnections(RequestError):
    status = 503
    code = "too-many-connections"
    message = "Too many connections"


class TooManyOperations(RequestError):
    status = 503
    code = "too-many-operations"
    message = "Too many operations"


class StartError(GlitchgridError):
    """Why a server can't start. Its text is the one line that its user sees."""


class DataDirectoryUnusable(StartError):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"data directory {path} cannot be used: {reason}")


class DataDirectoryInUse(StartError):
    def __init__(self, path: str) -> None:
        super().__init__(f"data directory {path} is in use by another vault")


class StoreDamaged(StartError):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} is damaged: {reason}")


class Misfit(StartError):
    """The list of peers, or the data directory, is not of this grid. Nothing was written over."""


class CannotListen(StartError):
    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"cannot listen on {endpoint}: {reason}")


class VaultError(GlitchgridError):
    """One vault did not give an answer that counts. Whether it acted is unknown."""


class VaultTimeout(VaultError):
    pass


class VaultUnreachable(VaultError):
    pass


class VaultRefused(VaultError):
    """The vault answered, with a status that is no success."""


class VaultAnswerInvalid(VaultError):
    """The vault's answer does not count: no number, another value than was sent, a refusal with less, ..."""


class BadAddress(GlitchgridError):
    """A text that is no HOST:PORT, or a list of vaults that can't be used."""


class BadTokenFile(GlitchgridError):
    """A file of tokens that cannot be used. Its text is one line that names the file, and the cure."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


class BadCertificateFile(GlitchgridError):
    """A file of certificates or of a key that cannot be used. Its text is one line with the option and the file.

    :param option: without its hyphens.
    """

    def __init__(self, option: str, path: str, problem: str) -> None:
        super().__init__(f"bad --{option} {path}: {problem}")
