"""``glitchgrid roster change``: more or fewer vaults, while no control serves."""

from collections.abc import Sequence
from typing import Any, NoReturn

from attrs import field, frozen

from glitchgrid.commands.ending import CANNOT_SAY, GOOD
from glitchgrid.commands.presenting import Credentials
from glitchgrid.commands.printing import show
from glitchgrid.commands.running import run
from glitchgrid.errors import BadAddress
from glitchgrid.lab.errors import CannotRun
from glitchgrid.peers.change import ListChange
from glitchgrid.peers.client import PeerClient
from glitchgrid.protocol.change import CannotChange
from glitchgrid.vaults.address import VaultAddress, parse_vaults


@frozen
class Settings:
    """:ivar vaults: HOST:PORT,HOST:PORT,... of the grid.
    :ivar to: those that it is to have.
    :ivar only_looks: say whether it can be done, and change nothing.
    """

    vaults: str
    to: str
    only_looks: bool = False
    credentials: Credentials = field(factory=Credentials)


def change(settings: Settings) -> NoReturn:
    """Exits with 0 once the vaults serve by the next list, and with 2 where they do not."""

    async def work(reactor: Any) -> int:
        vaults, to = _parsed("--vaults", settings.vaults), _parsed("--to", settings.to)
        token, tls = settings.credentials.token, settings.credentials.tls

        def client(address: VaultAddress) -> PeerClient:
            made = PeerClient(reactor, address, tls)
            made.present(token)
            return made

        work = ListChange(vaults, to, client, _say)
        try:
            if settings.only_looks:
                _say((await work.look()).told)
                _say("Nothing was changed: leave --dry-run out to go on.")
            else:
                await work.run()
        except CannotChange as error:
            raise CannotRun(str(error)) from error
        finally:
            await work.close()
        return GOOD

    run(work, CANNOT_SAY)


def _parsed(option: str, text: str) -> Sequence[VaultAddress]:
    try:
        return parse_vaults(text)
    except BadAddress as error:
        raise CannotRun(f"bad {option}: {error}") from error


def _say(line: str) -> None:
    show([(line, "")])
