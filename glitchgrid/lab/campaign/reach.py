"""What runs have to reach at least sometimes: a campaign that never saw a torn slot proves nothing about one."""

from glitchgrid.lab.campaign import aftermath, availability, hostile
from glitchgrid.lab.campaign.events import EVENTS
from glitchgrid.lab.campaign.exercises import course
from glitchgrid.lab.campaign.wire import HOSTILE
from glitchgrid.lab.register.kinds import KINDS

FAULT = "fault: "
"""What the lines for faults begin with."""

SHOWED = "a broken assumption showed"

LINES = (
    *EVENTS,
    SHOWED,
    availability.JUDGED,
    hostile.JUDGED,
    *aftermath.LINES,
    *course.LINES,
    *(hostile.SENT + name for name in HOSTILE),
    *(FAULT + kind for kind in KINDS),
)
"""Everything that a campaign has to reach."""
