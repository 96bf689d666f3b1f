"""leader.py EVENTS CONTROL COMMAND...: the part of a shell that does job control.

stdin is a terminal, which becomes that of this session; the command gets a process group of its own
in the foreground. What becomes of it is written to descriptor EVENTS, a line for each event; after
a stop a line on descriptor CONTROL makes it go on, which is an event too.
"""

import fcntl
import os
import signal
import sys
import termios

events, control = int(sys.argv[1]), int(sys.argv[2])
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    for number in (signal.SIGTTOU, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.close(events)
    os.close(control)
    os.execvp(sys.argv[3], sys.argv[3:])

status = None
while status is None:
    _, event = os.waitpid(child, os.WUNTRACED)
    if os.WIFSTOPPED(event):
        os.write(events, b"stopped\n")
        os.read(control, 100)
        os.killpg(child, signal.SIGCONT)
        os.write(events, b"continued\n")
    else:
        status = os.waitstatus_to_exitcode(event)
os.write(events, b"ended %d\n" % status)
