"""Is each of a page's objects asked for as soon as those that name it are there, and no sooner?"""

from quicsim.apps.asking import Answerer, Asker
from quicsim.apps.web import Page, PageObject
from tests.test_endpoint import MILLISECOND_NS, Joined

OBJECTS = (
    PageObject("html", 3_000, 100, (), 0),
    PageObject("script", 2_000, 100, ("html",), 7 * MILLISECOND_NS),
    PageObject("image", 9_000, 100, ("html",), 0),
    PageObject("data", 500, 100, ("script", "image"), 0),
)


def test_objects_come_in_the_order_of_what_names_them():
    joined = Joined("rfc9002")
    page = Page(Asker(joined.client, Answerer(joined.server)), OBJECTS)
    joined.client.connect()
    joined.clock.run(until=page.finished)
    starts = [times[0] for times in joined.client.stream_starts_ns.values()]
    html, image, script, data = (joined.ends[stream_id] for stream_id in (0, 4, 8, 12))
    assert starts[1:] == [html, html + 7 * MILLISECOND_NS, max(script, image)]
    assert page.loaded_ns == data
    assert page.completions_ns == [
        html - starts[0],
        script - starts[2],
        image - starts[1],
        data - starts[3],
    ]
