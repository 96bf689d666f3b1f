/* Whether paths still are as they were seen, in C: many looks at once, at the end of each execution.
 *
 * The twin is procache.world.view.World.first_changed, which says what is compared and why.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define INTERFACE 2  /* see procache/native.py */

/* procache.model.aspects, where these numbers never change; a test compares them. */
enum aspect { ABSENT, TYPE, OWNER, META, CONTENT, TARGET };
enum place { MODE, UID, GID, SIZE, NLINK, MTIME };

static int is(PyObject *tuple, Py_ssize_t place, long long value)
{
    PyObject *item = PyTuple_GET_ITEM(tuple, place);
    return PyLong_Check(item) && PyLong_AsLongLong(item) == value;
}

static int same_owner(PyObject *value, const struct stat *st)
{
    return PyTuple_Check(value) && PyTuple_GET_SIZE(value) >= 3 && is(value, MODE, st->st_mode) &&
           is(value, UID, st->st_uid) && is(value, GID, st->st_gid);
}

static int same_state(PyObject *value, const struct stat *st)
{
    if (!same_owner(value, st) || PyTuple_GET_SIZE(value) <= MTIME)
        return 0;
    return S_ISDIR(st->st_mode) || (is(value, SIZE, st->st_size) &&
                                    is(value, MTIME, (long long)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec));
}

static int same_target(const char *path, PyObject *value, const struct stat *st)
{
    char text[PATH_MAX];
    if (!S_ISLNK(st->st_mode) || !PyBytes_Check(value))
        return 0;
    ssize_t size = readlink(path, text, sizeof text);
    return size == PyBytes_GET_SIZE(value) && !memcmp(text, PyBytes_AS_STRING(value), size);
}

/* Whether what is at ``path`` now is what a fact says. ``st`` gets what is there. */
static int unchanged(const char *path, long aspect, PyObject *value, struct stat *st, int *there)
{
    *there = !lstat(path, st);
    if (!*there)
        return aspect == ABSENT && PyLong_Check(value) && PyLong_AsLong(value) == errno;
    switch (aspect) {
    case OWNER:
        return PyTuple_Check(value) && PyTuple_GET_SIZE(value) == 3 && same_owner(value, st);
    case META:
    case CONTENT:
        return same_state(value, st);
    case TARGET:
        return same_target(path, value, st);
    default:
        return 0;
    }
}

static int among(const struct stat *st, PyObject *files)
{
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(files); at++) {
        PyObject *file = PyTuple_GET_ITEM(files, at);
        if (PyTuple_Check(file) && PyTuple_GET_SIZE(file) == 2 && is(file, 0, (long long)st->st_dev) &&
            is(file, 1, (long long)st->st_ino))
            return 1;
    }
    return 0;
}

PyDoc_STRVAR(first_changed_doc, "first_changed(facts, touched, files) -> (path, whether it is one of the files) or None"
"\n--\n\nSee procache.world.view.World.first_changed.");

static PyObject *first_changed(PyObject *module, PyObject *args)
{
    PyObject *states, *touched, *files, *path, *fact;
    Py_ssize_t at = 0;
    if (!PyArg_ParseTuple(args, "O!O!O!", &PyDict_Type, &states, &PyDict_Type, &touched, &PyTuple_Type, &files))
        return NULL;
    while (PyDict_Next(states, &at, &path, &fact)) {
        struct stat st;
        int there;
        if (!PyBytes_Check(path) || !PyTuple_Check(fact) || PyTuple_GET_SIZE(fact) != 3)
            return PyErr_Format(PyExc_TypeError, "a path and its fact are wanted, not %R: %R", path, fact);
        long aspect = PyLong_AsLong(PyTuple_GET_ITEM(fact, 0));
        if (aspect == -1 && PyErr_Occurred())
            return NULL;
        if (aspect == TYPE)
            continue;
        int own = PyDict_Contains(touched, path);
        if (own < 0)
            return NULL;
        if (own)
            continue;
        int same = unchanged(PyBytes_AS_STRING(path), aspect, PyTuple_GET_ITEM(fact, 1), &st, &there);
        if (PyErr_Occurred())
            return NULL;
        if (!same)
            return Py_BuildValue("(OO)", path, Py_False);
        if ((aspect == CONTENT || aspect == META) && there && among(&st, files))
            return Py_BuildValue("(OO)", path, Py_True);
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"first_changed", first_changed, METH_VARARGS, first_changed_doc},
    {NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "procache.world._looks",
    .m_doc = PyDoc_STR("Many looks at once; the twin is procache.world.view."),
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__looks(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made && PyModule_AddIntMacro(made, INTERFACE))
        Py_CLEAR(made);
    return made;
}
