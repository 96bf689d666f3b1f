/* Many looks at once, in C.
 *
 * Whether paths still are as they were seen, at the end of each execution: the twin is procache.world.view.World.
 * first_changed, which says what is compared and why. And what looks at many paths add to what is known: the twin is
 * procache.model.tree.new_facts.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define INTERFACE 4  /* see procache/native.py */

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

/* How much a fact of each aspect says (procache.model.aspects.STRENGTH). */
static const int strength[] = {[ABSENT] = 6, [TYPE] = 1, [OWNER] = 2, [META] = 3, [CONTENT] = 4, [TARGET] = 5};

/* The aspect of a fact (aspect, value, whether times count), or -1 where Python has to see to it. */
static int aspect_of(PyObject *fact)
{
    if (!PyTuple_Check(fact) || PyTuple_GET_SIZE(fact) != 3 || !PyLong_Check(PyTuple_GET_ITEM(fact, 0)))
        return -1;
    long aspect = PyLong_AsLong(PyTuple_GET_ITEM(fact, 0));
    return aspect >= ABSENT && aspect <= TARGET ? (int)aspect : -1;
}

static int is_timed(PyObject *fact)
{
    return PyTuple_GET_ITEM(fact, 2) == Py_True;
}

/* Whether a fact of a file's content leaves the number of its links open. */
static int without_links(PyObject *fact)
{
    PyObject *value = PyTuple_GET_ITEM(fact, 1);
    return !PyTuple_Check(value) || PyTuple_GET_SIZE(value) <= NLINK || is(value, NLINK, 0);
}

PyDoc_STRVAR(new_facts_doc, "new_facts(known, facts) -> (those not known, paths of which less is known) or None"
"\n--\n\nSee procache.model.tree.new_facts.");

static PyObject *new_facts(PyObject *module, PyObject *args)
{
    PyObject *known, *facts, *path, *fact;
    Py_ssize_t at = 0;
    if (!PyArg_ParseTuple(args, "O!O!", &PyDict_Type, &known, &PyDict_Type, &facts))
        return NULL;
    PyObject *fresh = PyDict_New(), *stronger = PyList_New(0);
    int failed = !fresh || !stronger, otherwise = 0;
    while (!failed && !otherwise && PyDict_Next(facts, &at, &path, &fact)) {
        PyObject *there = PyDict_GetItemWithError(known, path);
        if (there == fact)
            continue;
        if (!there) {
            failed = PyErr_Occurred() || PyDict_SetItem(fresh, path, fact);
            continue;
        }
        int before = aspect_of(there), now = aspect_of(fact);
        if (before < 0 || now < 0) {
            PyErr_Format(PyExc_TypeError, "a fact is wanted, not %R or %R", there, fact);
            failed = 1;
        } else if (strength[before] >= strength[now] && (is_timed(there) || !is_timed(fact)) &&
                   (now != META || before != CONTENT || !without_links(there))) {
            continue;
        } else if (strength[before] < strength[now]) {
            failed = PyList_Append(stronger, path);
        } else {
            otherwise = 1;
        }
    }
    if (!failed && !otherwise)
        return Py_BuildValue("(NN)", fresh, stronger);
    Py_XDECREF(fresh);
    Py_XDECREF(stronger);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"new_facts", new_facts, METH_VARARGS, new_facts_doc},
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
