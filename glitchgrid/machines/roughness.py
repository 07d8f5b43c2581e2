"""What a link does to frames beyond being slow. TCP hides most of it; datagrams do not."""

from collections.abc import Sequence

from attrs import frozen

LATE_NS = 5_000_000


@frozen
class Roughness:
    """:ivar duplicated_per_mille: how many frames of a thousand come twice.
    :ivar reordered_per_mille: how many wait for `late_ns`, and are overtaken.
    :ivar bits_per_s: how much it carries; 0 for as much as comes.
    """

    duplicated_per_mille: int = 0
    reordered_per_mille: int = 0
    late_ns: int = LATE_NS
    bits_per_s: int = 0


SMOOTH = Roughness()


def together(all_of_it: Sequence[Roughness]) -> Roughness:
    """What a link does to which all of that is done: the worst of each."""
    if not all_of_it:
        return SMOOTH
    late_ns = [each.late_ns for each in all_of_it if each.reordered_per_mille]
    bits_per_s = [each.bits_per_s for each in all_of_it if each.bits_per_s]
    return Roughness(
        max(each.duplicated_per_mille for each in all_of_it),
        max(each.reordered_per_mille for each in all_of_it),
        max(late_ns, default=LATE_NS),
        min(bits_per_s, default=0),
    )
