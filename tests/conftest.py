"""What holds for every test: Hypothesis measures no time, for a busy machine is no mistake."""

from hypothesis import settings

settings.register_profile("quicsim", deadline=None)
settings.load_profile("quicsim")
