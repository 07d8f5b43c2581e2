"""What the atomic protocol assumes, broken on purpose: each of these tests shows that a value is lost.

The promise rests on every writer sending the guard. These are not bugs that are waiting to be mended: they say
what a grid does once that does not hold. A control that still knows its floor notices the loss, says so in its log
and stores the floor again; so each of these tests asks one that has just been started.
"""

import contextlib
import io
import sys
import threading
from collections.abc import Iterator

from tests.end_to_end.processes import Servers, ask, wait_until
from tests.end_to_end.test_interoperation import OriginalHandler11, OriginalVault

CLASSIC = ("--protocol", "classic")


class SlowWay(OriginalHandler11):
    """A vault that knows neither guard nor identity; one value is held up on the way to it."""

    held_up = b"5"
    goes_on = threading.Event()

    def do_POST(self) -> None:
        assert isinstance(self.rfile, io.BufferedReader)
        if self.rfile.peek(1)[:1] == self.held_up:
            self.goes_on.wait(30)
        super().do_POST()


class StandIn(OriginalVault):
    """Takes no notice of those who leave before their answer is there."""

    def handle_error(self, request: object, client_address: object) -> None:
        assert isinstance(sys.exc_info()[1], ConnectionError)


@contextlib.contextmanager
def stand_ins(count: int) -> Iterator[list[StandIn]]:
    SlowWay.goes_on = threading.Event()
    with contextlib.ExitStack() as stack:
        vaults = [stack.enter_context(StandIn(SlowWay)) for _ in range(count)]
        for vault in vaults:
            threading.Thread(target=vault.serve_forever, daemon=True).start()
            stack.callback(vault.shutdown)
        stack.callback(SlowWay.goes_on.set)
        yield vaults


def test_without_the_guard_a_late_store_undoes_a_newer_one(servers: Servers) -> None:
    """Vaults that ignore the guard: 7 was acknowledged and read, and then a read gives 5.

    The write of 5 got no answer in time. That does not recall it: it arrives after 7, and where nothing refuses a
    decrease it stays. Control works over such vaults, and warns once of each.
    """
    with stand_ins(3) as vaults:
        addresses = [vault.address for vault in vaults]
        control = servers.control(addresses, ["--vault-timeout", "0.3"]).restart()
        assert ask(control.port, "POST", "4").status == 200
        assert ask(control.port, "POST", "5").plain == (500, "Sent updates to 0/3 vaults")
        wait_until(lambda: ask(control.port, "POST", "7").status == 200, "7 is committed")
        wait_until(lambda: [vault.value for vault in vaults] == [7, 7, 7], "7 is everywhere")
        assert ask(control.port).plain == (200, "7")
        control.stop()  # it knows better, and would store 7 again as soon as it sees a 5
        SlowWay.goes_on.set()
        wait_until(lambda: [vault.value for vault in vaults] == [5, 5, 5], "5 arrives at last")
        assert ask(servers.control(addresses).restart().port).plain == (200, "5"), "the read did not go back"
        control.cont()
        assert ask(control.port).plain == (200, "7")
        wait_until(lambda: [vault.value for vault in vaults].count(7) > 1, "who knows what was committed restores it")
    for vault in vaults:
        assert control.log.count(f"vault {vault.address} ignores the guard") == 1


def test_one_store_by_curl_at_one_vault_of_three_makes_a_read_go_back(servers: Servers) -> None:
    """`curl -d 3` at a vault: 9 was acknowledged by two of three; with one of them gone, that was the last copy."""
    grid = servers.grid()
    first, second, third = grid.vaults
    assert grid.write(5)[0] == 200
    wait_until(lambda: [ask(vault.port).body for vault in grid.vaults] == ["5"] * 3, "5 is everywhere")
    third.kill()
    assert grid.write(9) == (200, "Sent updates to 2/3 vaults")
    assert grid.read() == (200, "9")
    grid.control.kill()
    second.kill()
    third.restart()
    assert ask(first.port, "POST", "3").plain == (200, "3")
    assert "Value decreases from 9 to 3" in first.log
    grid.control.restart()
    assert grid.read() == (200, "5"), "the read did not go back"
    assert grid.write(6)[0] == 200, "what is less than 9 is taken for an increase"


def test_without_that_store_the_same_grid_loses_nothing(servers: Servers) -> None:
    """The same steps, and nobody goes past control: the floor is what it was."""
    grid = servers.grid()
    first, second, third = grid.vaults
    assert grid.write(5)[0] == 200
    third.kill()
    assert grid.write(9) == (200, "Sent updates to 2/3 vaults")
    grid.control.kill()
    second.kill()
    third.restart()
    assert ask(first.port).plain == (200, "9")
    grid.control.restart()
    assert grid.read() == (200, "9")
    assert grid.write(6) == (400, "Client would make value decrease from 9 to 6")


def test_a_classic_control_beside_an_atomic_one_takes_its_values_back(servers: Servers) -> None:
    """The classic control has a floor of its own, 0 at its start, and stores without the guard."""
    grid = servers.grid()
    addresses = [vault.address for vault in grid.vaults]
    classic = servers.control(addresses, CLASSIC).restart()
    assert grid.write(9)[0] == 200
    assert grid.read() == (200, "9")
    grid.wait_until_all_hold(9)  # a straggler's 9 would come behind the 3
    assert ask(classic.port, "POST", "3").plain == (200, "Sent updates to 3/3 vaults")
    assert ask(servers.control(addresses).restart().port).plain == (200, "3"), "the read did not go back"
    assert grid.read() == (200, "9")
    assert "a majority of the vaults holds at most 3, but 9 was committed" in grid.control.log
