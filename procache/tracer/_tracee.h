/* Reading tracees: what one has in memory, at its standard streams, and in its files of /proc.
 *
 * A part of _source.c. What begins with PyDoc_STRVAR is called from Python; the twins are the methods of
 * procache.tracer.tracee.Tracee and procache.tracer.fds.Inherited, which also see to what these leave open (None).
 *
 * Sources: process_vm_readv(2), pidfd_getfd(2), proc(5).
 */
#define PAGE 4096
#define MOST_PATH 1024  /* longer ones go to Python */
#define MOST_POINTERS 65536
#define BLOCK 8192

/* -- memory -------------------------------------------------------------------------------------------------- */

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

/* -- files of /proc ------------------------------------------------------------------------------------------ */

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

/* -- streams ------------------------------------------------------------------------------------------------- */

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
