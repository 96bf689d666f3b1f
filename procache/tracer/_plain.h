/* Plain looks: those that are taken in the stop, before the call is made, and kept until Python counts them.
 *
 * A part of _source.c, behind _tracee.h. A plain path is one from the root or the working folder, whose last component
 * is a name and no link, outside /proc, /dev and /sys. A way into these through a link is not always seen here:
 * procache.tracer.looks sees to that when it counts the look.
 */
#define MOST_CALLS 512

/* Where a call that looks has its folder, path and flags (-1: none), and the flags that change nothing of the look. */
struct call {
    int8_t used, dirfd, path, flags;
    uint64_t harmless;
};

/* What was looked at since Python was last told. */
struct looks {
    PyObject *kept;  /* list of looks, all of one thread */
    PyObject *groups;  /* list of (thread, looks, folder) of other threads before it */
    PyObject *folder;  /* the working folder of the thread when it first looked, or None */
    pid_t thread;
    int here;  /* whether they are at paths from the working folder */
    pid_t settled;  /* the thread whose working folder was read since Python was last asked: it cannot change before */
    ssize_t settled_size;
    char settled_in[MOST_PATH];
    int watching;  /* whether looks are taken here at all */
    dev_t apart[2];  /* the devices of /proc and /sys */
    struct call calls[MOST_CALLS];
};

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

/* Where a thread is, read once: whoever changes it, for itself or for those that share it, makes a call that is not
 * taken here. Its length, or -1 as ``read_folder`` says. */
static ssize_t working_folder(struct looks *looks, pid_t tid)
{
    if (looks->settled != tid)
        looks->settled_size = read_folder(tid, looks->settled_in);
    looks->settled = tid;
    return looks->settled_size;
}

/* What lstat(2) says of a path, as (mode, inode, device, links, uid, gid, size, mtime, ctime), times in ns, or an
 * errno; NULL without an exception where Python has to see to it. */
static PyObject *look(const struct looks *looks, const char *path)
{
    struct stat st;
    if (lstat(path, &st)) {
        if (errno == ENOENT || errno == ENOTDIR)
            return PyLong_FromLong(errno);
        return NULL;
    }
    if ((!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) || st.st_dev == looks->apart[0] || st.st_dev == looks->apart[1])
        return NULL;
    return Py_BuildValue("(IKKKIILLL)", st.st_mode, (unsigned long long)st.st_ino, (unsigned long long)st.st_dev,
                         (unsigned long long)st.st_nlink, st.st_uid, st.st_gid, (long long)st.st_size,
                         (long long)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
                         (long long)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec);
}

/* Begin a new group of looks: those that were kept are of another thread, or at paths from another folder. What a
 * program looks at each time it starts is so told from what it is told to look at. */
static int close_group(struct looks *looks)
{
    if (!PyList_GET_SIZE(looks->kept))
        return 0;
    PyObject *group = Py_BuildValue("(iNO)", looks->thread, PyList_AsTuple(looks->kept), looks->folder);
    int failed = !group || PyList_Append(looks->groups, group);
    Py_XDECREF(group);
    return failed ? -1 : PyList_SetSlice(looks->kept, 0, PyList_GET_SIZE(looks->kept), NULL);
}

/* Note where a thread is: when its looks are counted, it may have ended, and only then. */
static int note_folder(struct looks *looks, pid_t tid)
{
    ssize_t size = working_folder(looks, tid);
    PyObject *folder = size < 0 ? Py_NewRef(Py_None) : PyBytes_FromStringAndSize(looks->settled_in, size);
    if (!folder)
        return -1;
    Py_XSETREF(looks->folder, folder);
    return 0;
}

/* The absolute path that a call is about, plain or not, and where it begins in ``room``; its length, or -1 where
 * Python has to see to it. ``here``: whether it was from the working folder. */
static ssize_t looked_at(struct looks *looks, pid_t tid, const struct call *call, const __u64 *args, char *room,
                         char **path, int *here)
{
    *path = room + MOST_PATH;
    ssize_t size = read_path(tid, args[call->path], *path);
    *here = size > 0 && (*path)[0] != '/';
    if (!*here)
        return size;
    if (call->dirfd >= 0 && (int32_t)args[call->dirfd] != AT_FDCWD)
        return -1;
    ssize_t before = working_folder(looks, tid);
    if (before < 2)
        return -1;
    memcpy(room, looks->settled_in, before + 1);
    if (!strcmp(*path, "."))
        size = before;
    else {
        room[before++] = '/';
        memmove(room + before, *path, size + 1);
        size += before;
    }
    *path = room;
    return size;
}

/* Add a look of a thread to those that are kept; takes the item. 0, or -1 with an exception. */
static int add_look(struct looks *looks, pid_t tid, int here, PyObject *item)
{
    int failed = (looks->thread != tid || looks->here != here) && close_group(looks);
    failed = failed || (!PyList_GET_SIZE(looks->kept) && note_folder(looks, tid)) || PyList_Append(looks->kept, item);
    Py_DECREF(item);
    looks->thread = tid;
    looks->here = here;
    return failed ? -1 : 0;
}

/* Keep (number, flags, path, what is there) if a native call only looks at a plain path: 1 if so, 0 if not, -1 with
 * an exception. */
static int keep(struct looks *looks, pid_t tid, uint64_t number, const __u64 *args)
{
    if (!looks->watching || number >= MOST_CALLS || !looks->calls[number].used)
        return 0;
    const struct call *call = &looks->calls[number];
    uint64_t flags = call->flags < 0 ? 0 : args[call->flags] & 0xffffffff;
    if (flags & ~call->harmless)
        return 0;
    char room[2 * MOST_PATH + 2], *path;
    int here;
    ssize_t size = looked_at(looks, tid, call, args, room, &path, &here);
    if (size < 2 || !names(path) || through_proc(path) || below(path, "/dev") || below(path, "/sys"))
        return 0;
    PyObject *seen = look(looks, path);
    if (!seen)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *item = Py_BuildValue("(KKy#N)", (unsigned long long)number, (unsigned long long)flags, path, size, seen);
    return !item || add_look(looks, tid, here, item) ? -1 : 1;
}

/* How many there are, groups counted as one. */
static Py_ssize_t count_looks(const struct looks *looks)
{
    return PyList_GET_SIZE(looks->kept) + PyList_GET_SIZE(looks->groups);
}

/* All of them, for Python: a list of groups, None where there are none, or NULL with an exception. */
static PyObject *take_looks(struct looks *looks)
{
    if (close_group(looks))
        return NULL;
    if (!PyList_GET_SIZE(looks->groups))
        Py_RETURN_NONE;
    PyObject *found = looks->groups, *fresh = PyList_New(0);
    if (!fresh)
        return NULL;
    looks->groups = fresh;
    return found;
}

/* Begin: ``calls`` is a sequence of (number, dirfd, path, flags, harmless flags). 0, or -1 with an exception. */
static int begin_looks(struct looks *looks, PyObject *calls)
{
    struct stat st;
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
            looks->calls[number] = (struct call){1, (int8_t)dirfd, (int8_t)path, (int8_t)flags, harmless};
    }
    Py_DECREF(items);
    looks->apart[0] = lstat("/proc", &st) ? 0 : st.st_dev;
    looks->apart[1] = lstat("/sys", &st) ? 0 : st.st_dev;
    Py_XSETREF(looks->kept, PyList_New(0));
    Py_XSETREF(looks->groups, PyList_New(0));
    Py_XSETREF(looks->folder, Py_NewRef(Py_None));
    return looks->kept && looks->groups ? 0 : -1;
}

static void drop_looks(struct looks *looks)
{
    Py_XDECREF(looks->kept);
    Py_XDECREF(looks->groups);
    Py_XDECREF(looks->folder);
}
