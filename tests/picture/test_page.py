"""A picture as a page: whole in itself, whatever the texts are that it shows."""

import json
import re

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.picture.page import as_data, as_page, script
from tests.picture.sample import SAMPLE, VALUE_MAX


class PageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.page = as_page(SAMPLE)

    def test_it_needs_nothing_else(self) -> None:
        without_data = re.sub(r'<script type="application/json".*?</script>', "", self.page, flags=re.DOTALL)
        # The name of a namespace is no address.
        addresses = set(re.findall(r"https?://[^\"' )]+", without_data)) - {"http://www.w3.org/2000/svg"}
        self.assertEqual(addresses, set())
        self.assertNotRegex(without_data, r"<(link|script|img|iframe)[^>]+(src|href)=(?!\"data:)")
        self.assertNotRegex(without_data, r"@import|fetch\(|XMLHttpRequest|import\s")

    def test_texts_are_texts(self) -> None:
        self.assertIn("<h1>A &lt;/script&gt;&lt;b&gt;sample&lt;/b&gt;</h1>", self.page)
        self.assertIn("--seed 1 &amp; more", self.page)
        self.assertNotIn("<b>sample</b>", self.page)
        self.assertEqual(self.page.count("</script>"), 2, "nothing in a text ends a script")

    def test_the_data_is_the_picture(self) -> None:
        found = re.search(r'<script type="application/json" id="run">(.*?)</script>', self.page, re.DOTALL)
        assert found is not None
        data = json.loads(found[1])
        self.assertEqual(data, json.loads(json.dumps(as_data(SAMPLE))))
        self.assertEqual([each["text"] for each in data["messages"]], ["POST 7", "POST 7", "412 9", "GET"])
        self.assertEqual(data["trace"][1], [12_000_000, "vault1", "received 4 111 aabb", "POST 7"])
        self.assertEqual(data["stairs"][0]["steps"][-1], [50_000_000_000, str(VALUE_MAX)], "no browser rounds it")

    def test_the_component_is_one_function(self) -> None:
        self.assertIn("window.drawPicture = drawPicture;", script())
