"""What holds for the whole suite."""

import signal

import hypothesis

# A shell that starts the suite in the background has interrupts ignored, which every process under test would inherit:
# here they mean what they mean at a terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The first example of a test may load much, and the machine may be busy: no property here is about time.
hypothesis.settings.register_profile("antiphon", deadline=None)
hypothesis.settings.load_profile("antiphon")
