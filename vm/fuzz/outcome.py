"""What did an attempt of a fuzzer come to?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """Counts to be added up, and what went wrong, if anything."""

    counts: Counter[str] = field(default_factory=Counter)
    violation: str = ""
