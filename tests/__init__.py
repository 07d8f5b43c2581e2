"""The tests. Those that draw their examples take as long as they need: machines are shared."""

from hypothesis import settings

settings.register_profile("patient", deadline=None, print_blob=True)
settings.load_profile("patient")
