/* The event source in C: it waits for stops, and answers by itself those that need no thought.
 *
 * Its twin is procache/tracer/source.py, which hands every stop to Python; what is said there of the interface holds
 * here too. Answered here are
 *   - looks at a plain path (_plain.h), by a call whose flags are all harmless. What is there is looked at in the stop,
 *     before the call is made, exactly as Python would, and kept for the next stop that Python gets;
 *   - the first stop of a new tracee, once it is known whose child it is;
 *   - a signal on its way to a tracee, which is passed on unchanged.
 * Everything else, and all of which anything is in doubt, goes to Python. What the module offers besides, reading
 * tracees, is in _tracee.h.
 *
 * Sources: ptrace(2), wait4(2).
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/ptrace.h>  /* after <sys/ptrace.h>, which says some of it in another way */

#include "_tracee.h"
#include "_plain.h"  /* after _tracee.h, which reads the paths */

#define INTERFACE 4  /* see procache/native.py */
#define MOST_KEPT 1024  /* looks, before Python is given them whatever comes */
#define MOST_PIDS (1 << 22)  /* PID_MAX_LIMIT */
#define STOPPED 0x7f
#define SECCOMP_STOP (7 << 16 | SIGTRAP << 8 | STOPPED)
#define EVENT_STOP 128
#define FIRST_STOP (EVENT_STOP << 16 | SIGTRAP << 8 | STOPPED)
#define MOST_EARLY 64  /* more are not looked at */
#define MOST_SIGNALS 64

/* HELD: early, and stopped by job control besides. */
enum tracee { UNKNOWN, EARLY, HELD, STARTING, KNOWN };

/* A signal that somebody sent, and that got to a thread. */
struct signal {
    pid_t tid, sender;
    int number;
    double time;
};

typedef struct {
    PyObject_HEAD
    struct looks looks;
    uint8_t *tracees;  /* enum tracee, by thread id */
    pid_t early[MOST_EARLY];  /* those in state EARLY or HELD */
    int earlies;
    struct signal signals[MOST_SIGNALS];  /* the last ones that got to tracees, in turn */
    unsigned noted;  /* how many there were */
    uint32_t arch;
} Source;

/* -- stops --------------------------------------------------------------------------------------------------- */

static enum tracee state_of(Source *self, pid_t tid)
{
    return tid > 0 && tid < MOST_PIDS ? self->tracees[tid] : UNKNOWN;
}

static void set_state(Source *self, pid_t tid, enum tracee state)
{
    if (tid <= 0 || tid >= MOST_PIDS)
        return;
    if (self->tracees[tid] == EARLY || self->tracees[tid] == HELD)
        for (int at = 0; at < self->earlies; at++)
            if (self->early[at] == tid)
                self->early[at] = self->early[--self->earlies];
    if ((state == EARLY || state == HELD) && self->earlies < MOST_EARLY)
        self->early[self->earlies++] = tid;
    self->tracees[tid] = state;
}

/* The number in a line of /proc/PID/status, or 0. */
static long status_number(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    return line ? strtol(line + strlen(name), NULL, 10) : 0;
}

/* A process that came too early and whose parent is gone, so that no fork event will name it; or 0. */
static pid_t orphan(Source *self)
{
    for (int at = 0; at < self->earlies; at++) {
        char path[32], text[1025];
        pid_t tid = self->early[at];
        snprintf(path, sizeof path, "/proc/%d/status", tid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0)
            close(fd);
        text[size < 0 ? 0 : size] = 0;
        long parent = status_number(text, "\nPPid:\t");
        if (status_number(text, "\nTgid:\t") == tid && parent != getpid() && state_of(self, (pid_t)parent) == UNKNOWN)
            return tid;
    }
    return 0;
}

/* A thread that is made while its process is being stopped stops for that before it has begun. */
static int by_job_control(int number)
{
    return number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

static int answered_first(Source *self, pid_t tid, int number)
{
    switch (state_of(self, tid)) {
    case UNKNOWN:  /* left stopped until the fork event of its parent names it */
        set_state(self, tid, by_job_control(number) ? HELD : EARLY);
        return 1;
    case STARTING:
        set_state(self, tid, KNOWN);
        if (by_job_control(number))
            return 0;
        ptrace(PTRACE_CONT, tid, 0, 0);
        return 1;
    default:
        return 0;
    }
}

/* Note a signal on its way to a tracee. The same may have been sent to procache, with the whole group. */
static void note_signal(Source *self, pid_t tid, int number)
{
    siginfo_t info;
    struct timespec now;
    if (number == SIGCHLD || ptrace(PTRACE_GETSIGINFO, tid, 0, &info) || info.si_code != SI_USER)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    self->signals[self->noted++ % MOST_SIGNALS] = (struct signal){tid, info.si_pid, number, time};
}

/* (thread, status, usage or None, call, its result, the message of an event or None, looks or None). */
static PyObject *result(Source *self, pid_t tid, int status, const struct rusage *usage,
                        const struct ptrace_syscall_info *info)
{
    unsigned long message;
    PyObject *times, *call, *looks = take_looks(&self->looks);
    if (!looks)
        return NULL;
    if (usage)
        times = Py_BuildValue("(ddl)", usage->ru_utime.tv_sec + usage->ru_utime.tv_usec / 1e6,
                              usage->ru_stime.tv_sec + usage->ru_stime.tv_usec / 1e6, usage->ru_maxrss);
    else
        times = Py_NewRef(Py_None);
    if (info && info->op == PTRACE_SYSCALL_INFO_EXIT)
        call = PyLong_FromLongLong(info->exit.rval);
    else if (info)
        call = Py_BuildValue("(NK(KKKKKK))", PyBool_FromLong(info->arch == self->arch),
                             (unsigned long long)info->entry.nr, (unsigned long long)info->entry.args[0],
                             (unsigned long long)info->entry.args[1], (unsigned long long)info->entry.args[2],
                             (unsigned long long)info->entry.args[3], (unsigned long long)info->entry.args[4],
                             (unsigned long long)info->entry.args[5]);
    else if (!usage && status >> 16 && status >> 16 <= PTRACE_EVENT_EXEC &&
             !ptrace(PTRACE_GETEVENTMSG, tid, 0, &message))
        call = PyLong_FromUnsignedLong(message);
    else
        call = Py_NewRef(Py_None);
    return Py_BuildValue("(iiNNN)", tid, status, times, call, looks);
}

PyDoc_STRVAR(next_doc, "next() -> (thread, status, usage, call, looks)\n--\n\n"
"The next stop or end that is Python's business, as twin ``Source.next`` says it. Raises ChildProcessError.");

static PyObject *source_next(Source *self, PyObject *unused)
{
    self->looks.settled = 0;
    for (;;) {
        int status;
        pid_t tid = 0;
        struct rusage usage;
        if (count_looks(&self->looks) >= MOST_KEPT)
            return result(self, 0, 0, NULL, NULL);
        if (self->earlies && !(tid = wait4(-1, &status, __WALL | WNOHANG, &usage))) {
            pid_t found = orphan(self);
            if (found)
                return result(self, found, FIRST_STOP, NULL, NULL);
        }
        if (!tid) {
            Py_BEGIN_ALLOW_THREADS
            tid = wait4(-1, &status, __WALL, &usage);
            Py_END_ALLOW_THREADS
        }
        if (tid < 0) {
            if (errno != EINTR)
                return PyErr_SetFromErrno(PyExc_OSError);
            if (PyErr_CheckSignals())
                return NULL;
            continue;
        }
        if (!WIFSTOPPED(status)) {
            set_state(self, tid, UNKNOWN);
            return result(self, tid, status, &usage, NULL);
        }
        int event = status >> 16, number = status >> 8 & 0xff;
        if (status == SECCOMP_STOP) {
            struct ptrace_syscall_info info;
            if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) <= 0) {
                if (errno == ESRCH)
                    continue;  /* it was killed meanwhile: its end comes next */
                return result(self, tid, status, NULL, NULL);
            }
            int own = state_of(self, tid) == KNOWN && info.arch == self->arch;
            int kept = own ? keep(&self->looks, tid, info.entry.nr, info.entry.args) : 0;
            if (kept < 0)
                return NULL;
            if (!kept)
                return result(self, tid, status, NULL, &info);
            ptrace(PTRACE_CONT, tid, 0, 0);
        } else if (!event && number == (SIGTRAP | 0x80)) {
            struct ptrace_syscall_info info;
            int known = ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) > 0 &&
                        info.op == PTRACE_SYSCALL_INFO_EXIT;
            return result(self, tid, status, NULL, known ? &info : NULL);
        } else if (event == EVENT_STOP) {
            if (!answered_first(self, tid, number))
                return result(self, tid, status, NULL, NULL);
        } else if (!event && state_of(self, tid) == KNOWN) {
            note_signal(self, tid, number);
            ptrace(PTRACE_CONT, tid, 0, number);
        } else {
            return result(self, tid, status, NULL, NULL);
        }
    }
}

PyDoc_STRVAR(adopt_doc, "adopt(thread) -> whether its first stop has come already, and it is to go on\n--\n\n"
"It is known now whose child this is.");

static PyObject *source_adopt(Source *self, PyObject *argument)
{
    long tid = PyLong_AsLong(argument);
    if (tid == -1 && PyErr_Occurred())
        return NULL;
    enum tracee state = state_of(self, (pid_t)tid);
    set_state(self, (pid_t)tid, state == EARLY || state == HELD ? KNOWN : STARTING);
    if (state == HELD)
        ptrace(PTRACE_LISTEN, (pid_t)tid, 0, 0);
    return PyBool_FromLong(state == EARLY);
}

PyDoc_STRVAR(forget_doc, "forget(thread)\n--\n\nIt ended without a word: an exec by another thread of its process.");

static PyObject *source_forget(Source *self, PyObject *argument)
{
    long tid = PyLong_AsLong(argument);
    if (tid == -1 && PyErr_Occurred())
        return NULL;
    set_state(self, (pid_t)tid, UNKNOWN);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(seized_doc, "seized(thread)\n--\n\nThe first tracee, which has no first stop.");

static PyObject *source_seized(Source *self, PyObject *argument)
{
    long tid = PyLong_AsLong(argument);
    if (tid == -1 && PyErr_Occurred())
        return NULL;
    set_state(self, (pid_t)tid, KNOWN);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(signals_doc, "signals() -> list of (thread, sender, signal, time.monotonic())\n--\n\n"
"Signals that were sent and got to tracees lately.");

static PyObject *source_signals(Source *self, PyObject *unused)
{
    PyObject *found = PyList_New(0);
    unsigned count = self->noted < MOST_SIGNALS ? self->noted : MOST_SIGNALS;
    for (unsigned at = 0; found && at < count; at++) {
        const struct signal *one = &self->signals[at];
        PyObject *item = Py_BuildValue("(iiid)", one->tid, one->sender, one->number, one->time);
        if (!item || PyList_Append(found, item))
            Py_CLEAR(found);
        Py_XDECREF(item);
    }
    return found;
}

PyDoc_STRVAR(resume_doc, "resume(thread, request, signal)\n--\n\n"
"Let a tracee go on; that it is gone is seen by its end.");

static PyObject *resume(PyObject *module, PyObject *args)
{
    int tid, request, number;
    if (!PyArg_ParseTuple(args, "iii", &tid, &request, &number))
        return NULL;
    ptrace((enum __ptrace_request)request, tid, 0, number);
    Py_RETURN_NONE;
}

/* -- the type ------------------------------------------------------------------------------------------------ */

static int source_init(Source *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"arch", "calls", "watching", NULL};
    PyObject *calls;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "IOp", names, &self->arch, &calls,
                                     &self->looks.watching) ||
        begin_looks(&self->looks, calls))
        return -1;
    if (!self->tracees)
        self->tracees = calloc(MOST_PIDS, 1);  /* only the pages that are used take memory */
    if (!self->tracees) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static void source_dealloc(Source *self)
{
    drop_looks(&self->looks);
    free(self->tracees);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef methods[] = {
    {"next", (PyCFunction)source_next, METH_NOARGS, next_doc},
    {"adopt", (PyCFunction)source_adopt, METH_O, adopt_doc},
    {"forget", (PyCFunction)source_forget, METH_O, forget_doc},
    {"seized", (PyCFunction)source_seized, METH_O, seized_doc},
    {"signals", (PyCFunction)source_signals, METH_NOARGS, signals_doc},
    {NULL},
};

static PyTypeObject source_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "procache.tracer._source.Source",
    .tp_basicsize = sizeof(Source),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = PyDoc_STR("Source(arch, calls, watching): see procache.tracer.source.Source"),
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)source_init,
    .tp_dealloc = (destructor)source_dealloc,
    .tp_methods = methods,
};

static PyMethodDef functions[] = {
    {"fields", fields, METH_VARARGS, fields_doc},
    {"open_count", open_count, METH_O, open_count_doc},
    {"read", read_memory, METH_VARARGS, read_doc},
    {"resume", resume, METH_VARARGS, resume_doc},
    {"string", string, METH_VARARGS, string_doc},
    {"strings", strings, METH_VARARGS, strings_doc},
    {"streams", streams, METH_O, streams_doc},
    {"write", write_memory, METH_VARARGS, write_doc},
    {NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "procache.tracer._source",
    .m_doc = PyDoc_STR("The event source in C; its twin is procache.tracer.source."),
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__source(void)
{
    if (PyType_Ready(&source_type) < 0)
        return NULL;
    PyObject *made = PyModule_Create(&module);
    if (made && (PyModule_AddIntMacro(made, INTERFACE) ||
                 PyModule_AddObjectRef(made, "Source", (PyObject *)&source_type)))
        Py_CLEAR(made);
    return made;
}
