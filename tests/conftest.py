"""What holds for the whole suite."""

import signal

# A shell that starts the suite in the background has interrupts ignored, which every process under test would inherit:
# here they mean what they mean at a terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)
