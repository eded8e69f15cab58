"""Ctrl-C before the main function of a script runs, while its modules are imported."""

import signal
import threading


def end_on_interrupt() -> None:
    """Makes Ctrl-C end the process at once, without a traceback, until `raise_on_interrupt`.

    A process that ignores Ctrl-C, such as one started in the background, keeps ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_on_interrupt() -> None:
    """Makes Ctrl-C raise KeyboardInterrupt again, if `end_on_interrupt` changed that."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
