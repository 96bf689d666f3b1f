"""Signals to procache itself while a command runs.

Keys on the terminal (Ctrl-C, Ctrl-backslash) reach the whole foreground group, the command included, so
procache has only to survive them. What is sent to procache alone is passed on to the command. A thread
waits for them (sigwaitinfo(2) tells the kernel's signals from a process's), so that the wait loop is
never interrupted.
"""

from __future__ import annotations

import _thread
import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Signals that a terminal or the end of a session sends to a whole group.
_TO_ALL = frozenset((signal.SIGINT, signal.SIGQUIT, signal.SIGHUP))
#: Signals that are procache's own business: they cannot be caught, are faults, or belong to its children and writes.
_OWN = frozenset(
    (
        signal.SIGKILL,
        signal.SIGSTOP,
        signal.SIGCONT,
        signal.SIGCHLD,
        signal.SIGPIPE,
        signal.SIGALRM,
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGTRAP,
        signal.SIGABRT,
        signal.SIGSYS,
        signal.SIGTSTP,
        signal.SIGTTIN,
        signal.SIGTTOU,
        signal.SIGXFSZ,
        signal.SIGXCPU,
    )
)
AWAITED = frozenset(signal.valid_signals()) - _OWN
#: Job control acts on the command; procache follows it into the stop (``Loop._stopped``).
_JOB_CONTROL = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
#: Signals that Python ignores in itself; the command gets the default back (as subprocess does).
_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)
_SI_KERNEL = 0x80
#: Stands for every sender but procache itself.
ANYBODY = -1

#: A signal that was sent to a group reaches procache and the command within this time (s); and it is on its way to the
#: command for no longer than that.
_AT_ONCE, _ON_ITS_WAY = 1.0, 0.02

#: Signals that were passed on to the command so far.
passed: list[int] = []
_mask: set[int] = set()
_awaited: set[int] = set()
_taken: list[int] = []


def take() -> None:
    """Block and ignore what concerns the command; to be called before anything is started."""
    global _mask
    heeded = {number for number in AWAITED if signal.getsignal(number) is not signal.SIG_IGN}  # nohup stays so
    _awaited.update(heeded)
    _mask = set(signal.pthread_sigmask(signal.SIG_BLOCK, heeded))
    for number in _JOB_CONTROL:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_IGN)
            _taken.append(number)


def give_back() -> None:
    """In the child that becomes the command: signals as procache found them."""
    for number in (*_PYTHON_IGNORES, *_taken):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, _mask)


def pass_on(
    root: int, everybody: Callable[[], list[int]], got: Callable[[int, int, int, float], bool], relay: int = ANYBODY
) -> None:
    """From now on pass on signals sent to procache alone; ``got`` says of which processes had them too (``Alive``).

    The process ``relay`` passes on as well: who sent what comes from it is not known.

    SIGTERM goes to the command ``root``, as a supervisor means it; what a terminal sends to a whole group
    (SIGINT, SIGQUIT, SIGHUP) to ``everybody``. Where no thread is to be had, nothing is passed on.
    """
    try:
        _thread.start_new_thread(_serve, (root, everybody, got, relay))
    except RuntimeError:
        pass


def _serve(
    root: int, everybody: Callable[[], list[int]], got: Callable[[int, int, int, float], bool], relay: int
) -> None:
    while True:
        info = signal.sigwaitinfo(_awaited)
        if info.si_code == _SI_KERNEL:
            continue
        passed.append(info.si_signo)
        sender = ANYBODY if info.si_pid == relay else info.si_pid
        time.sleep(_ON_ITS_WAY)
        for pid in everybody() if info.si_signo in _TO_ALL else [root]:
            if got(pid, info.si_signo, sender, time.monotonic() - _AT_ONCE):
                continue  # it was sent to the whole group
            try:
                os.kill(pid, info.si_signo)
            except ProcessLookupError:
                pass  # it has ended; the loop waits for what it left behind


def die_of(number: int) -> None:
    """End procache by a signal, as the command ended; no second core dump is left."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
