"""Does each plugin that comes with quicsim load, attach, stand losses without a fault, and do what its twin does?

What it is good for is tested beside it; that its object is fresh, by test_build.py.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim import locate
from quicsim.plugin.catalogue import catalogue
from quicsim.quic.profiles import PROFILES
from quicsim.quic.settings import Settings
from tests.plugin.pipe import MILLISECOND, Pipe
from tests.plugin.twins import on_pipe, same_run

ENTRIES = {entry.plugin.name: entry for entry in catalogue()}
OFFERED = [
    (name, profile)
    for name, entry in ENTRIES.items()
    for profile in PROFILES
    if all(anchor.operation.offered_by(profile) for anchor in entry.plugin.anchors)
]
LOSSES = st.sets(st.tuples(st.sampled_from(["client", "server"]), st.integers(2, 60)), max_size=8)
EXCHANGED = {"client": (100, 30_000, 1), "server": (60_000, 20, 700)}
each_where_it_is_offered = pytest.mark.parametrize(("name", "profile"), OFFERED)


def driven(name, profile, lost=frozenset(), *, push=False):
    """Both ends run the plugin and send, over two paths where the stack can; the packets of `lost` never arrive."""
    plugin = ENTRIES[name].plugin
    addresses = 2 if PROFILES[profile].is_multipath else 1
    pipe = Pipe(
        profile,
        client=Settings(address_count=addresses),
        verify=True,
        drops=lambda sender, index, datagram: (sender, index) in lost,
    )
    if push:
        pipe.server.plugins.push(plugin, both=True)
    else:
        for side in pipe.sides.values():
            side.attach(plugin)
    pipe.connect()
    for sizes in zip(*EXCHANGED.values(), strict=True):
        for sender, size in zip(EXCHANGED, sizes, strict=True):
            pipe.send(size, sender)
            pipe.run_for(40 * MILLISECOND)
    pipe.run_for(20_000 * MILLISECOND)
    return pipe


@pytest.mark.parametrize("name", ENTRIES)
def test_it_is_described_and_can_be_attached_somewhere(name):
    about, plugin = ENTRIES[name].about, ENTRIES[name].plugin
    assert about.description[0].isupper()
    assert not about.description.endswith(".")
    assert "section" in about.source
    assert plugin.anchors
    assert any(name == offered for offered, _profile in OFFERED)
    assert (locate.plugin(name) / f"test_{name}.py").is_file()


@each_where_it_is_offered
@pytest.mark.parametrize("push", [False, True])
def test_it_is_attached_where_its_anchors_are_offered_and_delivers_every_byte(name, profile, push):
    pipe = driven(name, profile, push=push)
    for side in pipe.sides.values():
        [attachment] = side.plugins.attachments
        assert attachment.is_installed
        assert attachment.faults == 0
    assert sorted(pipe.server.delivered.values()) == sorted(EXCHANGED["client"])
    assert sorted(pipe.client.delivered.values()) == sorted(EXCHANGED["server"])


@each_where_it_is_offered
@settings(max_examples=40, deadline=None)
@given(lost=LOSSES, push=st.booleans())
def test_under_loss_it_never_faults_and_its_twin_sends_the_same_packets(name, profile, lost, push):
    seen = same_run(lambda: on_pipe(driven(name, profile, lost, push=push)), name)
    for side, sizes in ((seen.of.server, EXCHANGED["client"]), (seen.of.client, EXCHANGED["server"])):
        assert side.connection.counts.plugin_faults == 0
        assert side.troubles == []
        assert sorted(side.delivered.values()) == sorted(sizes)
