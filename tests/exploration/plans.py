"""What a control may do between two exchanges with vaults, and which of it is worth doing before the next one.

A control's *own* actions are calls of its operations, ends of rests, deadlines, and requests given up on. They change
nothing but that control and add late stores. A *plan* is a sequence of them, to be followed by one exchange with a
vault. Two arguments, both about swapping neighbours, leave few plans, and no shortest violation out:

1. What others do between an own action and this control's next exchange could as well have come before that
   action: the states afterwards are the same. A call is then made later, so that more has returned before it, which
   makes the rules stricter. Own actions after the last exchange can be left out. So plans are carried out in one go,
   right before their exchange. (Where the late store of a request given up on arrives before this control's next
   exchange, both happen at once, as an exchange: "the answer is lost".)
2. If an own action could as well have come after the exchange, and leads to the same state with the same
   answers, then the plan without it is explored, and the action is in a later plan or never needed. `waiting` has,
   for each action of a plan that could still wait, the state without it; an exchange that it could wait for, too, is
   not explored with this plan.

Each swap moves an own action to the right, so swapping ends; a run never gets longer by it.
"""

from functools import cache
from typing import NamedTuple

from tests.exploration.history import Operation
from tests.exploration.machine import Event, Machine, Return

TIME_OUTS = ("store_failed", "read_failed", "expire")

Late = tuple[tuple[int, int], ...]
"""Stores that were given up on: addresses and values."""


class Plan(NamedTuple):
    point: int
    """The coordinator's state at its end."""
    waiting: frozenset[tuple[int, Event]] = frozenset()
    calls: tuple[int, ...] = ()
    late: Late = ()
    returns: tuple[Return, ...] = ()
    """What has ended without an outcome (or, at the end of a plan that needs no exchange, with a 400)."""
    time_outs: int = 0
    """How many requests were given up on and deadlines passed."""


Plans = dict[Plan, tuple[Event, ...]]
"""Each plan with a shortest sequence of own actions."""


class Planner:
    def __init__(self, machine: Machine, operations: tuple[Operation, ...]) -> None:
        self._machine = machine
        self._operations = operations
        self.plans = cache(self._plans)
        self.can_wait = cache(self._can_wait)

    def _plans(self, start: int, uncalled: tuple[int, ...], time_outs_max: int) -> tuple[Plans, Plans]:
        """From state `start` of a control: the plans for an exchange, and those that end in a 400."""
        plans: Plans = {Plan(start): ()}
        refused: Plans = {}
        for plan, events in (todo := list(plans.items())):
            for event in (*self._machine.points[plan.point].events, *self._calls(uncalled, plan.calls)):
                longer = self._longer(plan, event)
                if longer.time_outs > time_outs_max:
                    continue
                if any(ending == "declined" for _, ending, _ in longer.returns):
                    refused.setdefault(longer, (*events, event))
                elif longer not in plans:
                    plans[longer] = (*events, event)
                    todo.append((longer, plans[longer]))
        return plans, refused

    def _calls(self, uncalled: tuple[int, ...], called: tuple[int, ...]) -> list[Event]:
        """Of two like operations the first is called first."""
        first = {self._operations[number]: number for number in reversed(uncalled) if number not in called}
        return [call_of(number, operation) for operation, number in first.items()]

    def _longer(self, plan: Plan, event: Event) -> Plan:
        point, returns = self._machine.step(plan.point, event)
        late, calls = plan.late, plan.calls
        if event[0] == "store_failed":
            late = tuple(sorted({*late, (event[1], self._machine.points[plan.point].stores[event[1]])}))
        elif event[0] in ("read", "write"):
            calls = tuple(sorted((*calls, event[-1])))
        own = (plan.point, event[:1] if event[0] == "expire" else event)
        waiting = frozenset({own, *self.can_wait(plan.point, plan.waiting, event)})
        time_outs = plan.time_outs + (event[0] in TIME_OUTS)
        return Plan(point, waiting, calls, late, (*plan.returns, *returns), time_outs)

    def _can_wait(
        self, point: int, waiting: frozenset[tuple[int, Event]], event: Event
    ) -> tuple[tuple[int, Event], ...]:
        """Which of the actions that could wait until now could also wait until after `event`?"""
        machine, found = self._machine, []
        goal, returns = machine.step(point, event)
        for without, own in waiting:
            if self._same_request(without, point, event):
                between, told = machine.step(without, event)
                if told == returns and any(
                    self._same_request(between, without, each) and machine.step(between, each)[0] == goal
                    for each in self._alike(between, own)
                ):
                    found.append((between, own))
        return tuple(found)

    def _alike(self, point: int, own: Event) -> tuple[Event, ...]:
        """The numbers of rounds change from state to state: any deadline will do that leads to the same one."""
        if own[0] == "expire":
            return tuple(each for each in self._machine.points[point].events if each[0] == "expire")
        return (own,)

    def _same_request(self, point: int, other: int, event: Event) -> bool:
        """Can `event` happen at `point`, and is it about the same request as at the `other`?"""
        at = self._machine.points[point]
        match event[0]:
            case "read" | "write":
                return True
            case "read_answered":
                return at.reads[event[1]]
            case "store_answered" | "store_failed" | "begin":
                return 0 != at.stores[event[1]] == self._machine.points[other].stores[event[1]]
        return event in at.events


def call_of(number: int, operation: Operation) -> Event:
    return ("read", number) if operation.value is None else ("write", operation.value, number)
