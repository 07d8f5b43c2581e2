from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.measures import DURATIONS_S, Distribution, counter, histogram


class DistributionTests(SynchronousTestCase):
    @given(st.lists(st.floats(0, 20)))
    def test_each_bucket_has_what_is_up_to_its_bound(self, values: list[float]) -> None:
        seen = Distribution(DURATIONS_S)
        for value in values:
            seen.observe(value)
        buckets = seen.buckets()
        self.assertEqual([float(bound) for bound, _ in buckets], [*DURATIONS_S, float("inf")])
        self.assertEqual(
            [count for _, count in buckets], [sum(v <= float(bound) for v in values) for bound, _ in buckets]
        )
        self.assertTrue(all(lower <= higher for (_, lower), (_, higher) in pairwise(buckets)))
        self.assertAlmostEqual(seen.sum, sum(values))

    @given(st.lists(st.sampled_from([0.0, *DURATIONS_S, 0.3, 20.0])), st.lists(st.floats(0, 20)))
    def test_many_at_once_are_each_by_itself(self, first: list[float], then: list[float]) -> None:
        together, one_by_one = Distribution(DURATIONS_S), Distribution(DURATIONS_S)
        for values in (first, then):
            for value in values:
                one_by_one.observe(value)
            together.observe_all(list(values))
        self.assertEqual(together.buckets(), one_by_one.buckets())
        self.assertAlmostEqual(together.sum, one_by_one.sum)


class FamilyTests(SynchronousTestCase):
    def test_samples(self) -> None:
        family = counter("grid_x", "What it is.", ("a", "b"), Counter({("2", "y"): 3, ("1", "x"): 1}))
        told = [(each.name, each.labels, each.value) for each in family.samples]
        first, second = {"a": "1", "b": "x"}, {"a": "2", "b": "y"}
        self.assertEqual(told, [("grid_x_total", first, 1), ("grid_x_total", second, 3)])
        seen = Distribution((1, 2))
        seen.observe(1.5)
        samples = {
            (each.name, each.labels.get("le")): each.value for each in histogram("h", "", (), [((), seen)]).samples
        }
        self.assertEqual(samples["h_bucket", "1.0"], 0)
        self.assertEqual(samples["h_bucket", "2.0"], 1)
        self.assertEqual((samples["h_bucket", "+Inf"], samples["h_count", None], samples["h_sum", None]), (1, 1, 1.5))
