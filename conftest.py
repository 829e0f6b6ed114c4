"""What holds for every test: no limit of time, and compiled programs kept in a directory of the session's."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest
from hypothesis import settings

# A test must not depend on how fast the machine is; and what CI says must depend on the change alone, so there the
# examples are the same each time. New ones are found elsewhere.
settings.register_profile("quicsim", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("quicsim")

OWN_CACHE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """The controller makes the directory; workers, and processes that tests start, inherit the variable."""
    if not hasattr(config, "workerinput"):
        config.stash[OWN_CACHE] = os.environ["QUICSIM_VM_CACHE"] = tempfile.mkdtemp(prefix="quicsim-vm-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """The directory goes with the session."""
    if OWN_CACHE in config.stash:
        shutil.rmtree(config.stash[OWN_CACHE], ignore_errors=True)
