/* The event source in C, and reading tracees.
 *
 * The source waits for stops, and answers by itself those that need no thought. Its twin is procache/tracer/source.py,
 * which hands every stop to Python; what is said there of the interface holds here too. Answered here are
 *   - looks at a plain path: one from the root or the working folder, whose last component is a name and no link,
 *     outside /proc, /dev and /sys, by a call whose flags are all harmless. What is there is looked at in the stop,
 *     before the call is made, exactly as Python would, and kept for the next stop that Python gets. A way into these
 *     through a link is not always seen here: Python sees to that when it counts the look;
 *   - the first stop of a new tracee, once it is known whose child it is;
 *   - a signal on its way to a tracee, which is passed on unchanged.
 * Everything else, and all of which anything is in doubt, goes to Python.
 *
 * The functions read what a tracee has in memory and at its standard streams; their twins are the methods of
 * procache.tracer.tracee.Tracee and procache.tracer.fds.Inherited, which also see to what these leave open (None).
 *
 * Sources: ptrace(2), process_vm_readv(2), wait4(2), pidfd_getfd(2).
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

#define INTERFACE 4  /* see procache/native.py */
#define MOST_CALLS 512
#define PAGE 4096
#define MOST_PATH 1024  /* longer ones go to Python */
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

/* Where a call that looks has its folder, path and flags (-1: none), and the flags that change nothing of the look. */
struct call {
    int8_t used, dirfd, path, flags;
    uint64_t harmless;
};

/* A signal that somebody sent, and that got to a thread. */
struct signal {
    pid_t tid, sender;
    int number;
    double time;
};

typedef struct {
    PyObject_HEAD
    PyObject *kept;  /* list of looks, all of one thread */
    PyObject *groups;  /* list of (thread, looks, folder) of other threads before it */
    PyObject *folder;  /* the working folder of the thread when it first looked, or None */
    pid_t looking;  /* the thread */
    int here;  /* whether they are at paths from the working folder */
    pid_t settled;  /* the thread whose working folder was read since Python was last asked: it cannot change before */
    ssize_t settled_size;
    char settled_in[MOST_PATH];
    uint8_t *tracees;  /* enum tracee, by thread id */
    pid_t early[MOST_EARLY];  /* those in state EARLY or HELD */
    int earlies;
    int watching;  /* whether looks are taken here at all */
    struct signal signals[MOST_SIGNALS];  /* the last ones that got to tracees, in turn */
    unsigned noted;  /* how many there were */
    dev_t apart[2];  /* the devices of /proc and /sys */
    uint32_t arch;
    struct call calls[MOST_CALLS];
} Source;

/* -- looks --------------------------------------------------------------------------------------------------- */

/* Whether the last component is a name: not empty, "." or "..". */
static int names(const char *path)
{
    const char *last = strrchr(path, '/') + 1;
    return *last && strcmp(last, ".") && strcmp(last, "..");
}

static int below(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    return !strncmp(path, folder, size) && (path[size] == '/' || !path[size]);
}

/* Whether a path has a component "proc", however it is reached: what is below means another thing to each process. */
static int through_proc(const char *path)
{
    while ((path = strstr(path, "/proc"))) {
        path += strlen("/proc");
        if (*path == '/' || !*path)
            return 1;
    }
    return 0;
}

/* The string at an address of a tracee; its length, or -1 where Python has to see to it. */
static ssize_t read_path(pid_t tid, uint64_t address, char *path)
{
    size_t size = 0;
    while (size < MOST_PATH) {
        size_t piece = PAGE - (address + size) % PAGE;  /* never into a page that may not be there */
        if (piece > 256)
            piece = 256;
        if (piece > MOST_PATH - size)
            piece = MOST_PATH - size;
        struct iovec here = {path + size, piece}, there = {(void *)(uintptr_t)(address + size), piece};
        if (process_vm_readv(tid, &here, 1, &there, 1, 0) != (ssize_t)piece)
            return -1;
        char *end = memchr(path + size, 0, piece);
        if (end)
            return end - path;
        size += piece;
    }
    return -1;
}

/* The working folder of a tracee; its length, or -1 where Python has to see to it. */
static ssize_t read_folder(pid_t tid, char *folder)
{
    static const char deleted[] = " (deleted)";
    char link[32];
    snprintf(link, sizeof link, "/proc/%d/cwd", tid);
    ssize_t size = readlink(link, folder, MOST_PATH);
    if (size < 1 || size >= MOST_PATH || folder[0] != '/')
        return -1;
    folder[size] = 0;
    if ((size_t)size > strlen(deleted) && !strcmp(folder + size - strlen(deleted), deleted))
        return -1;
    return size;
}

/* The same, read once: whoever changes it, for itself or for those that share it, makes a call that is not taken here. */
static ssize_t working_folder(Source *self, pid_t tid)
{
    if (self->settled != tid)
        self->settled_size = read_folder(tid, self->settled_in);
    self->settled = tid;
    return self->settled_size;
}

/* What lstat(2) says of a path, as (mode, inode, device, links, uid, gid, size, mtime, ctime), times in ns, or an
 * errno; NULL without an exception where Python has to see to it. */
static PyObject *look(const Source *self, const char *path)
{
    struct stat st;
    if (lstat(path, &st)) {
        if (errno == ENOENT || errno == ENOTDIR)
            return PyLong_FromLong(errno);
        return NULL;
    }
    if ((!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) || st.st_dev == self->apart[0] || st.st_dev == self->apart[1])
        return NULL;
    return Py_BuildValue("(IKKKIILLL)", st.st_mode, (unsigned long long)st.st_ino, (unsigned long long)st.st_dev,
                         (unsigned long long)st.st_nlink, st.st_uid, st.st_gid, (long long)st.st_size,
                         (long long)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
                         (long long)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec);
}

/* Begin a new group of looks: those that were kept are of another thread, or at paths from another folder. What a
 * program looks at each time it starts is so told from what it is told to look at. */
static int close_group(Source *self)
{
    if (!PyList_GET_SIZE(self->kept))
        return 0;
    PyObject *group = Py_BuildValue("(iNO)", self->looking, PyList_AsTuple(self->kept), self->folder);
    int failed = !group || PyList_Append(self->groups, group);
    Py_XDECREF(group);
    return failed ? -1 : PyList_SetSlice(self->kept, 0, PyList_GET_SIZE(self->kept), NULL);
}

/* Note where a thread is: when its looks are counted, it may have ended, and only then. */
static int note_folder(Source *self, pid_t tid)
{
    ssize_t size = working_folder(self, tid);
    PyObject *folder = size < 0 ? Py_NewRef(Py_None) : PyBytes_FromStringAndSize(self->settled_in, size);
    if (!folder)
        return -1;
    Py_XSETREF(self->folder, folder);
    return 0;
}

/* Keep (number, flags, path, what is there) if the call only looks at a plain path: 1 if so, 0 if not, -1 with
 * an exception. */
static int keep(Source *self, pid_t tid, const struct ptrace_syscall_info *info)
{
    if (!self->watching || info->arch != self->arch || info->entry.nr >= MOST_CALLS)
        return 0;
    const struct call *call = &self->calls[info->entry.nr];
    if (!call->used)
        return 0;
    uint64_t flags = call->flags < 0 ? 0 : info->entry.args[call->flags] & 0xffffffff;
    if (flags & ~call->harmless)
        return 0;
    char room[2 * MOST_PATH + 2], *path = room + MOST_PATH;
    ssize_t size = read_path(tid, info->entry.args[call->path], path);
    int here = size > 0 && path[0] != '/';
    if (here) {
        if (call->dirfd >= 0 && (int32_t)info->entry.args[call->dirfd] != AT_FDCWD)
            return 0;
        ssize_t before = working_folder(self, tid);
        if (before < 2)
            return 0;
        memcpy(room, self->settled_in, before + 1);
        if (!strcmp(path, "."))
            size = before;
        else {
            room[before++] = '/';
            memmove(room + before, path, size + 1);
            size += before;
        }
        path = room;
    }
    if (size < 2 || !names(path) || through_proc(path) || below(path, "/dev") || below(path, "/sys"))
        return 0;
    PyObject *seen = look(self, path);
    if (!seen)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *item = Py_BuildValue("(KKy#N)", (unsigned long long)info->entry.nr, (unsigned long long)flags, path, size,
                                   seen);
    if (!item)
        return -1;
    if (((self->looking != tid || self->here != here) && close_group(self)) ||
        (!PyList_GET_SIZE(self->kept) && note_folder(self, tid))) {
        Py_DECREF(item);
        return -1;
    }
    self->looking = tid;
    self->here = here;
    int failed = PyList_Append(self->kept, item);
    Py_DECREF(item);
    return failed ? -1 : 1;
}

/* -- reading tracees ----------------------------------------------------------------------------------------- */

#define MOST_POINTERS 65536
#define BLOCK 8192

/* A piece of a tracee's memory, read at once: strings of an environment lie close together. */
struct block {
    pid_t tid;
    uint64_t start;
    size_t size;
    char bytes[BLOCK];
};

/* Read a block from an address on, as much as there is; 0, or -1 where nothing can be read. */
static int read_block(struct block *block, uint64_t address)
{
    struct iovec here = {block->bytes, BLOCK};
    size_t first = PAGE - address % PAGE;  /* whole pages, so that the ones that are there are read */
    struct iovec there[] = {
        {(void *)(uintptr_t)address, first},
        {(void *)(uintptr_t)(address + first), BLOCK - first > PAGE ? PAGE : BLOCK - first},
    };
    ssize_t got = process_vm_readv(block->tid, &here, 1, there, 2, 0);
    block->start = address;
    block->size = got > 0 ? (size_t)got : 0;
    return got > 0 ? 0 : -1;
}

/* The string at an address; NULL without an exception where it is not to be read here. */
static PyObject *string_at(struct block *block, uint64_t address)
{
    for (int again = 0; again < 2; again++) {
        if (address >= block->start && address - block->start < block->size) {
            char *begin = block->bytes + (address - block->start);
            char *end = memchr(begin, 0, block->bytes + block->size - begin);
            if (end)
                return PyBytes_FromStringAndSize(begin, end - begin);
        }
        if (again || read_block(block, address))
            break;
    }
    return NULL;
}

PyDoc_STRVAR(string_doc, "string(thread, address) -> bytes or None\n--\n\nThe string at an address.");

static PyObject *string(PyObject *module, PyObject *args)
{
    int tid;
    unsigned long long address;
    char path[MOST_PATH + 1];
    if (!PyArg_ParseTuple(args, "iK", &tid, &address))
        return NULL;
    ssize_t size = address ? read_path(tid, address, path) : -1;
    if (size < 0)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize(path, size);
}

/* The pointers of an array, up to a NULL; their number, or -1 where they are not to be read here. */
static Py_ssize_t pointers(pid_t tid, uint64_t address, uint64_t **found)
{
    Py_ssize_t count = 0, room = 0;
    *found = NULL;
    while (count < MOST_POINTERS) {
        if (room < count + PAGE / 8) {
            room = count + PAGE / 4;
            uint64_t *more = PyMem_Realloc(*found, room * sizeof **found);
            if (!more)
                return -1;
            *found = more;
        }
        size_t piece = PAGE - (address + 8 * count) % PAGE;
        struct iovec here = {*found + count, piece}, there = {(void *)(uintptr_t)(address + 8 * count), piece};
        if (address % 8 || process_vm_readv(tid, &here, 1, &there, 1, 0) != (ssize_t)piece)
            return -1;
        for (size_t at = 0; at < piece / 8; at++, count++)
            if (!(*found)[count])
                return count;
    }
    return -1;
}

PyDoc_STRVAR(read_doc, "read(thread, address, size) -> bytes or None\n--\n\nAll of a piece of memory.");

static PyObject *read_memory(PyObject *module, PyObject *args)
{
    int tid;
    unsigned long long address;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "iKn", &tid, &address, &size))
        return NULL;
    PyObject *data = PyBytes_FromStringAndSize(NULL, size);
    if (!data)
        return NULL;
    struct iovec here = {PyBytes_AS_STRING(data), size}, there = {(void *)(uintptr_t)address, size};
    if (process_vm_readv(tid, &here, 1, &there, 1, 0) == size)
        return data;
    Py_DECREF(data);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(write_doc, "write(thread, address, data) -> whether all of it was written\n--\n\nTo memory that may be "
"written to.");

static PyObject *write_memory(PyObject *module, PyObject *args)
{
    int tid;
    unsigned long long address;
    Py_buffer data;
    if (!PyArg_ParseTuple(args, "iKy*", &tid, &address, &data))
        return NULL;
    struct iovec here = {data.buf, data.len}, there = {(void *)(uintptr_t)address, data.len};
    int written = process_vm_writev(tid, &here, 1, &there, 1, 0) == data.len;
    PyBuffer_Release(&data);
    return PyBool_FromLong(written);
}

PyDoc_STRVAR(open_count_doc, "open_count(thread) -> how many descriptors are open, 0 where the kernel does not say");

static PyObject *open_count(PyObject *module, PyObject *argument)
{
    char path[32];
    struct stat st;
    long tid = PyLong_AsLong(argument);
    if (tid == -1 && PyErr_Occurred())
        return NULL;
    snprintf(path, sizeof path, "/proc/%ld/fd", tid);
    return stat(path, &st) ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLongLong((long long)st.st_size);
}

PyDoc_STRVAR(fields_doc, "fields(thread, names) -> tuple of bytes, or None\n--\n\n"
"Values of /proc/PID/status, each searched behind the one before it, b\"\" where there is none. A name is\n"
"b\"\\nUmask:\\t\".");

static PyObject *fields(PyObject *module, PyObject *args)
{
    int tid;
    PyObject *names;
    char path[32], text[8193];
    if (!PyArg_ParseTuple(args, "iO!", &tid, &PyTuple_Type, &names))
        return NULL;
    snprintf(path, sizeof path, "/proc/%d/status", tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (size <= 0)
        Py_RETURN_NONE;
    text[size] = 0;
    Py_ssize_t count = PyTuple_GET_SIZE(names);
    PyObject *found = PyTuple_New(count);
    const char *from = text;
    for (Py_ssize_t at = 0; found && at < count; at++) {
        const char *name = PyBytes_AsString(PyTuple_GET_ITEM(names, at));
        const char *begin = name ? strstr(from, name) : NULL;
        if (name && !begin)
            begin = strstr(text, name);
        if (begin) {
            begin += strlen(name);
            from = begin + strcspn(begin, "\n");
        }
        PyObject *value = name ? PyBytes_FromStringAndSize(begin ? begin : "", begin ? from - begin : 0) : NULL;
        if (value)
            PyTuple_SET_ITEM(found, at, value);
        else
            Py_CLEAR(found);
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

PyDoc_STRVAR(strings_doc, "strings(thread, address) -> tuple of bytes, or None\n--\n\n"
"The strings of an argument or environment array.");

static PyObject *strings(PyObject *module, PyObject *args)
{
    int tid;
    unsigned long long address;
    uint64_t *found = NULL;
    if (!PyArg_ParseTuple(args, "iK", &tid, &address))
        return NULL;
    Py_ssize_t count = address ? pointers(tid, address, &found) : -1;
    PyObject *result = count < 0 ? NULL : PyTuple_New(count);
    struct block block = {.tid = tid};
    for (Py_ssize_t at = 0; result && at < count; at++) {
        PyObject *one = string_at(&block, found[at]);
        if (one)
            PyTuple_SET_ITEM(result, at, one);
        else
            Py_CLEAR(result);
    }
    PyMem_Free(found);
    if (!result && !PyErr_Occurred())
        Py_RETURN_NONE;
    return result;
}

PyDoc_STRVAR(streams_doc, "streams(process) -> a tuple for descriptors 0, 1, 2, or None\n--\n\n"
"(type and mode, inode, device, number of the device that it is, flags of a regular file or -1); None where closed.");

static PyObject *streams(PyObject *module, PyObject *argument)
{
    long pid = PyLong_AsLong(argument);
    if (pid == -1 && PyErr_Occurred())
        return NULL;
    int process = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (process < 0)
        Py_RETURN_NONE;
    PyObject *found[3] = {NULL};
    for (int number = 0; number < 3; number++) {
        struct stat st;
        int fd = (int)syscall(SYS_pidfd_getfd, process, number, 0);  /* far cheaper than /proc/PID/fd */
        if (fd < 0 && errno != EBADF) {
            while (number--)
                Py_DECREF(found[number]);
            close(process);
            Py_RETURN_NONE;
        }
        if (fd < 0 || fstat(fd, &st))
            found[number] = Py_NewRef(Py_None);
        else
            found[number] = Py_BuildValue("(IKKKl)", st.st_mode, (unsigned long long)st.st_ino,
                                          (unsigned long long)st.st_dev, (unsigned long long)st.st_rdev,
                                          S_ISREG(st.st_mode) ? (long)fcntl(fd, F_GETFL) : -1L);
        if (fd >= 0)
            close(fd);
    }
    close(process);
    return Py_BuildValue("(NNN)", found[0], found[1], found[2]);
}

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

static PyObject *taken(Source *self)
{
    if (close_group(self))
        return NULL;
    if (!PyList_GET_SIZE(self->groups))
        Py_RETURN_NONE;
    PyObject *found = self->groups, *fresh = PyList_New(0);
    if (!fresh)
        return NULL;
    self->groups = fresh;
    return found;
}

/* (thread, status, usage or None, call, its result, the message of an event or None, looks or None). */
static PyObject *result(Source *self, pid_t tid, int status, const struct rusage *usage,
                        const struct ptrace_syscall_info *info)
{
    unsigned long message;
    PyObject *times, *call, *looks = taken(self);
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
    self->settled = 0;
    for (;;) {
        int status;
        pid_t tid = 0;
        struct rusage usage;
        if (PyList_GET_SIZE(self->kept) + PyList_GET_SIZE(self->groups) >= MOST_KEPT)
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
            int kept = state_of(self, tid) == KNOWN ? keep(self, tid, &info) : 0;
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

/* -- the type ------------------------------------------------------------------------------------------------ */

static int source_init(Source *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"arch", "calls", "watching", NULL};
    PyObject *calls;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "IOp", names, &self->arch, &calls, &self->watching))
        return -1;
    PyObject *items = PySequence_Fast(calls, "calls: a sequence");
    if (!items)
        return -1;
    for (Py_ssize_t at = 0; at < PySequence_Fast_GET_SIZE(items); at++) {
        unsigned number;
        int dirfd, path, flags;
        unsigned long long harmless;
        if (!PyArg_ParseTuple(PySequence_Fast_GET_ITEM(items, at), "IiiiK", &number, &dirfd, &path, &flags,
                              &harmless)) {
            Py_DECREF(items);
            return -1;
        }
        if (number < MOST_CALLS)
            self->calls[number] = (struct call){1, (int8_t)dirfd, (int8_t)path, (int8_t)flags, harmless};
    }
    Py_DECREF(items);
    Py_XSETREF(self->kept, PyList_New(0));
    Py_XSETREF(self->groups, PyList_New(0));
    Py_XSETREF(self->folder, Py_NewRef(Py_None));
    struct stat st;
    self->apart[0] = lstat("/proc", &st) ? 0 : st.st_dev;
    self->apart[1] = lstat("/sys", &st) ? 0 : st.st_dev;
    if (!self->tracees)
        self->tracees = calloc(MOST_PIDS, 1);  /* only the pages that are used take memory */
    if (!self->kept || !self->groups || !self->tracees) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static void source_dealloc(Source *self)
{
    Py_XDECREF(self->kept);
    Py_XDECREF(self->groups);
    Py_XDECREF(self->folder);
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
