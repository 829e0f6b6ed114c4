"""Does a plugin, or a protocol, still do what it did? Runs held against a baseline, or against another build.

tolerance.py  how much worse a metric may become     baseline.py   what is kept of runs, as JSON
check.py      runs held against a baseline            parting.py    where two traces part
records.py    what a trace's records say              objects.py    plugins given as C, and their lines
guard.py      what pytest's fixtures do               report.py     what came out, for people
outcome.py    what a CI service shows of it           builds.py     two builds of a plugin, compared
page.py       that comparison as HTML                 start.py      the first files of a repository
refusal.py    a plugin that never ran
"""

from quicsim.regression.tolerance import Tolerance

__all__ = ["Tolerance"]
