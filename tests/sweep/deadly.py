"""Stand-ins for quicsim.scenario.run.replicate whose points misbehave; a worker imports them by name."""

import os
import signal
import time
from dataclasses import replace

from quicsim.results import RunRecord
from quicsim.scenario.run import SimulationFailed, replicate

BAD = 40_000
"""The size of the transfer whose points misbehave."""

THIRD_DELAY_NS = 17_564_000
"""Of the third setting of the sweep tlp_wsp."""


def quick(setup, variant, replication):
    """A record that depends on configuration, seed and replication, and on nothing else."""
    size = setup.transfer.size_bytes
    value = size * 1e-6 + setup.seed * 1e-3 + replication
    digest = f"{size}-{setup.seed}-{replication}"
    series = {"rate_Bps": ((0.5, value), (1.0, value + 1))}
    return RunRecord(
        variant, replication, {"completion_s": value}, {"packets": size}, {"delay_s": (value,)}, digest, (), series
    )


def noted(setup, variant, replication):
    """One replication of each configuration ran without its plugin; the largest transfer says one thing more."""
    largest = ("server: a\nsecond",) if setup.transfer.size_bytes == 80_000 else ()
    refused = ("client: plugin p refused: it is unsafe; truly",) if replication == 1 else ()
    return replace(quick(setup, variant, replication), notes=(*refused, *largest))


def never(setup, variant, replication):
    raise SimulationFailed("it was not to be simulated")


def is_bad(setup, replication):
    return setup.transfer.size_bytes == BAD and replication == 1


def fails(setup, variant, replication):
    if is_bad(setup, replication):
        raise SimulationFailed("it came to nothing")
    return quick(setup, variant, replication)


def killed(setup, variant, replication):
    if is_bad(setup, replication):
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(setup, variant, replication)


def leaves(setup, variant, replication):
    if is_bad(setup, replication):
        os._exit(3)
    return quick(setup, variant, replication)


def greedy(setup, variant, replication):
    if is_bad(setup, replication):
        bytearray(1 << 40)
    return quick(setup, variant, replication)


def hangs(setup, variant, replication):
    if is_bad(setup, replication):
        time.sleep(3600)
    return quick(setup, variant, replication)


def stops(setup, variant, replication):
    if is_bad(setup, replication):
        os.kill(os.getpid(), signal.SIGSTOP)
    return quick(setup, variant, replication)


def once(marker, setup, variant, replication):
    """Its worker is killed the first time only: a file remembers."""
    if is_bad(setup, replication):
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return quick(setup, variant, replication)


def slow(setup, variant, replication):
    time.sleep(0.05)
    return quick(setup, variant, replication)


def kills_one(setup, variant, replication):
    """The true simulation, but for one point of scenarios/sweeps/tlp_wsp.toml: its third setting, with the plugin."""
    if setup.links["access"].delay_ns["client"] == THIRD_DELAY_NS and variant == "with-tlp":
        os.kill(os.getpid(), signal.SIGKILL)
    return replicate(setup, variant, replication)


if __name__ == "__main__":  # `python -m tests.sweep.deadly sweep run ...`: quicsim, with that point
    from quicsim.cli import main
    from quicsim.scenario import run
    from tests.sweep import deadly

    run.replicate = deadly.kills_one
    main()
