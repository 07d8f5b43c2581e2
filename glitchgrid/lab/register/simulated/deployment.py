"""How a run of the register ends, and how it is judged."""

from collections.abc import Sequence

from glitchgrid.lab.checkers.max_register import check
from glitchgrid.lab.checkers.result import CannotSay, NotLinearizable
from glitchgrid.lab.history.format import read_history
from glitchgrid.lab.picture.model import DURABLE, SHOWN, Stair
from glitchgrid.lab.register.layout import ATOMIC
from glitchgrid.lab.register.oracles.contract import majority
from glitchgrid.lab.register.oracles.invariant import is_formed
from glitchgrid.lab.register.oracles.names import HISTORY, INVARIANT
from glitchgrid.lab.register.plans import CALM, POWER_LOSS
from glitchgrid.lab.register.simulated.aftermath import Aftermath
from glitchgrid.lab.register.simulated.clients import Prober
from glitchgrid.lab.register.simulated.exercises.turns import Turns
from glitchgrid.lab.register.simulated.grid import Grid
from glitchgrid.lab.system import Run
from glitchgrid.lab.verdict import LIVENESS, Finding, Judgement
from glitchgrid.simulation.clock import SECOND_NS

SERVES_AGAIN_S = 20
"""The grid answers so long after a majority of it is well, at the latest."""

ACKNOWLEDGED_PERCENT_MIN = 10
"""This share of the writes must be acknowledged, and as many reads answered; else a run proves nothing."""

REFUSED = "a grid that has lost too many disks at once did not answer"

MAJORITY = "majority"
"""The lane of M and S: what a majority holds durably, and what every majority shows."""


class JudgedGrid(Grid):
    """A grid with the end of its run: probes or a calm end, exercises, and the checker."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._turns = Turns(self, run.reached, run.find)

    def excuses(self, stated: str) -> bool:
        """An exercise breaks some statements on purpose."""
        return self._turns.excuses(stated)

    def finish(self) -> None:
        run, plan = self.run, self.run.plan
        is_judged = self.layout.protocol == ATOMIC and not plan.breaks
        if plan.ends_with == CALM and is_judged:
            Aftermath(self, plan, run.reached, run.find, run.go_on).live()
        else:
            self._let_a_majority_be_well()
            self._probe()
        run.system_is_over()
        if run.is_well:
            self._turns.run(plan.seed, run.let_pass)

    def _let_a_majority_be_well(self) -> None:
        """Start a majority of the vaults and all controls; the other vaults stay dead.

        All vaults, where some of them are not of the grid yet: for its birth it takes all of them, and to be taken in
        again may take more than a majority.
        """
        self.availability.pace = None
        rng = self.world.rng("liveness")
        well = list(self.vaults)
        enough = majority(len(well)) if self.layout.protocol != ATOMIC or all(map(is_formed, well)) else len(well)
        while len(well) > enough:
            well.remove(rng.pick(well))
        for machine in self.servers:
            machine.calm()
            # A vault whose sync has failed takes no store until it is started anew, and the others stay dead.
            is_leaving = machine.process is not None and machine.process.is_terminating
            if self.run.plan.ends_with == POWER_LOSS:
                machine.cut_power()
            elif is_leaving or machine in self.vaults:
                machine.kill()
        for machine in (*well, *self.controls):
            self.start(machine)

    def _probe(self) -> None:
        """Write and read through each control until that succeeds."""
        process = self.talkers
        probers = []
        for control in self.controls:
            self.workload.largest += 1
            probers.append(Prober(process, self.workload, control, self.workload.largest))
        for prober in probers:
            process.run(prober.startService)
        self.run.go_on(SERVES_AGAIN_S * SECOND_NS, lambda: all(prober.served for prober in probers))
        if self._has_too_few_disks():
            self.run.reached[REFUSED] += not any(prober.served for prober in probers)
            return
        for prober in probers:
            if not prober.served:
                late = f"{SERVES_AGAIN_S} s after a majority is well"
                self.run.find(LIVENESS, f"{prober.control.name} does not serve {late}")

    def _has_too_few_disks(self) -> bool:
        """Have so many lost their disks at once that the others may not go on without them?"""
        voters = [vault for vault in self.invariant.vaults if vault.votes]
        return bool(self.run.plan.breaks) and len(voters) < majority(len(self.vaults))

    def judge(self) -> Judgement:
        broken = [Finding(INVARIANT, each.what, each.at_ns) for each in self.invariant.broken[:1]]
        said = check(
            read_history(line.encode() + b"\n" for line in self.history.splitlines()),
            max(1, self.layout.steps * ACKNOWLEDGED_PERCENT_MIN // 100),
        )
        if isinstance(said, NotLinearizable):
            shows = said.operations[0]
            at_ns = self.world.now_ns if shows.return_ns is None else shows.return_ns
            operations = tuple(operation.op for operation in said.operations)
            broken.append(Finding(HISTORY, said.sentence, at_ns, operations))
        return Judgement(tuple(broken), isinstance(said, CannotSay))

    def stairs(self) -> Sequence[Stair]:
        changes = self.invariant.changes or []
        drawn = []
        for number, name in enumerate(self.layout.vault_names):
            drawn.append(Stair.of(name, DURABLE, ((change.at_ns, change.durable[number]) for change in changes)))
            drawn.append(Stair.of(name, SHOWN, ((change.at_ns, change.shown[number]) for change in changes)))
        drawn.append(Stair.of(MAJORITY, DURABLE, ((change.at_ns, change.durable_majority) for change in changes)))
        drawn.append(Stair.of(MAJORITY, SHOWN, ((change.at_ns, change.shown_majority) for change in changes)))
        return drawn
