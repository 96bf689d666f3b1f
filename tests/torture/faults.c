/* Fails, or kills at, the Nth call of a process and of those that it forks: loaded with LD_PRELOAD.

   Counted are calls of the C library that name, or have open, something below given folders. The count is one
   for the process and all that it forks. It is kept in a file, and with it what was done: whoever set the trap
   reads there how often the way came by. The variables below and LD_PRELOAD itself are wiped out, so that neither
   a command nor its key has them; a program that is started is not followed.

   TRAP_FILE   the file of the count (struct state), which must be there
   TRAP_CALLS  names of kinds of calls, with commas: open,write,rename …; or "all"
   TRAP_UNDER  folders, with colons, or beginnings of names that end with "-"; "any" counts every call from the first that names something below TRAP_STORE
   TRAP_STORE  a folder
   TRAP_FIRST, TRAP_LAST   the calls (from 1) at which it acts
   TRAP_CLOCK  seconds by which the clock goes wrong
   TRAP_DO     an errno's number; "short" for half a write; "kill" for SIGKILL to the caller, "killall" for its
               process group */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { KINDS = 32 };
static const char *const names[KINDS] = {"open", "write", "fsync",  "rename",   "link", "close", "mkdir", "flock", "fstat", "read",
                                         "copy", "unlink", "truncate", "meta", "memfd", "pipe",  "fork",  "mmap",  "ioctl"};

struct state {
    long calls;         /* how many were counted */
    long done;          /* at how many of them it acted */
    long kinds[KINDS];  /* how many there were of each kind, those that were not asked for included */
    char last[240];
};

static struct state *state;
static char kinds[512], under[4096], store[2048];
static long first, last, wrong;
static int number, awake; /* the errno to give; whether everything counts now */
static enum { FAIL, SHORT, KILL, KILL_ALL } action;

static void copy_out(const char *name, char *to, size_t size) {
    char *value = getenv(name);
    if (value) {
        snprintf(to, size, "%s", value);
        memset(value - strlen(name) - 1, 0, strlen(name) + 1 + strlen(value)); /* /proc/self/environ shows it no more */
        unsetenv(name);
    }
}

__attribute__((constructor)) static void set_up(void) {
    char file[2048] = "", text[64] = "0", rest[4096];
    copy_out("TRAP_FILE", file, sizeof file);
    copy_out("TRAP_CALLS", kinds, sizeof kinds);
    copy_out("TRAP_UNDER", under, sizeof under);
    copy_out("TRAP_STORE", store, sizeof store);
    copy_out("TRAP_FIRST", text, sizeof text);
    first = atol(text);
    snprintf(text, sizeof text, "0");
    copy_out("TRAP_LAST", text, sizeof text);
    last = atol(text);
    snprintf(text, sizeof text, "0");
    copy_out("TRAP_CLOCK", text, sizeof text);
    wrong = atol(text);
    copy_out("TRAP_DO", text, sizeof text);
    number = atoi(text);
    action = number ? FAIL : !strcmp(text, "short") ? SHORT : !strcmp(text, "kill") ? KILL : KILL_ALL;
    copy_out("LD_PRELOAD", rest, sizeof rest);
    int fd = file[0] ? syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0) : -1;
    if (fd < 0)
        return;
    void *shared = (void *)syscall(SYS_mmap, NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (shared != MAP_FAILED)
        state = shared;
}

static int listed(const char *list, const char *kind) {
    size_t size = strlen(kind);
    for (const char *at = list; (at = strstr(at, kind)); at += size)
        if ((at == list || at[-1] == ',') && (at[size] == ',' || !at[size]))
            return 1;
    return !strcmp(list, "all");
}

static int below(const char *path, const char *folder, size_t size) {
    return size && !strncmp(path, folder, size) && (path[size] == '/' || !path[size] || folder[size - 1] == '-');
}

static int concerned(const char *path) {
    if (path && below(path, store, strlen(store)))
        awake = 1;
    if (!strcmp(under, "any"))
        return awake;
    for (const char *at = under; path && *at;) {
        size_t size = strcspn(at, ":");
        if (below(path, at, size))
            return 1;
        at += size + (at[size] == ':');
    }
    return 0;
}

/* 0: go on. 1: the call fails, errno is set. 2: do half of it. */
static int met(const char *kind, const char *path) {
    if (!state || !concerned(path))
        return 0;
    for (int each = 0; each < KINDS && names[each]; each++)
        if (!strcmp(names[each], kind))
            __atomic_add_fetch(&state->kinds[each], 1, __ATOMIC_SEQ_CST);
    if (!listed(kinds, kind))
        return 0;
    long now = __atomic_add_fetch(&state->calls, 1, __ATOMIC_SEQ_CST);
    if (now < first || now > last)
        return 0;
    __atomic_add_fetch(&state->done, 1, __ATOMIC_SEQ_CST);
    snprintf(state->last, sizeof state->last, "%s %s", kind, path ? path : "");
    if (action == KILL)
        syscall(SYS_kill, (int)syscall(SYS_getpid), SIGKILL);
    if (action == KILL_ALL)
        syscall(SYS_kill, 0, SIGKILL);
    if (action == SHORT)
        return !strcmp(kind, "write") ? 2 : 0;
    errno = number;
    return 1;
}

static const char *at_path(int fd, const char *path, char *room) {
    char link[64];
    if (path && path[0] == '/')
        return path;
    if (fd == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int before = errno;
    long size = syscall(SYS_readlink, link, room, 3000);
    errno = before;
    if (size < 0)
        return NULL;
    room[size] = 0;
    if (path && *path)
        snprintf(room + size, 1000, "/%.900s", path);
    return room;
}

static int met_at(const char *kind, int fd, const char *path) {
    char room[4096];
    return state ? met(kind, at_path(fd, path, room)) : 0;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* NAME(arguments) is a call of KIND that gives WHAT and fails with BAD; it concerns PATH, seen from FD. */
#define CALL(type, bad, kind, fd, path, name, parameters, arguments) \
    type name parameters { \
        REAL(name); \
        if (met_at(kind, fd, path) == 1) \
            return bad; \
        return real arguments; \
    }

#define OPENS(name, parameters, fd, before) \
    int name parameters { \
        REAL(name); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        if (met_at("open", fd, path) == 1) \
            return -1; \
        return real before; \
    }

OPENS(open, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPENS(openat, (int fd, const char *path, int flags, ...), fd, (fd, path, flags, mode))
OPENS(openat64, (int fd, const char *path, int flags, ...), fd, (fd, path, flags, mode))
CALL(DIR *, NULL, "open", AT_FDCWD, path, opendir, (const char *path), (path))

#define WRITES(name, parameters, arguments, halved) \
    ssize_t name parameters { \
        REAL(name); \
        int what = met_at("write", fd, NULL); \
        return what == 1 ? -1 : what == 2 ? real halved : real arguments; \
    }

WRITES(write, (int fd, const void *data, size_t size), (fd, data, size), (fd, data, (size + 1) / 2))
WRITES(pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), (fd, data, (size + 1) / 2, at))
WRITES(pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at),
       (fd, data, (size + 1) / 2, at))

CALL(ssize_t, -1, "read", fd, NULL, read, (int fd, void *data, size_t size), (fd, data, size))
CALL(ssize_t, -1, "read", fd, NULL, pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at))
CALL(ssize_t, -1, "read", fd, NULL, pread64, (int fd, void *data, size_t size, off64_t at), (fd, data, size, at))
CALL(ssize_t, -1, "copy", to, NULL, copy_file_range,
     (int from, off64_t *start, int to, off64_t *end, size_t size, unsigned flags),
     (from, start, to, end, size, flags))
CALL(int, -1, "fsync", fd, NULL, fsync, (int fd), (fd))
CALL(int, -1, "fsync", fd, NULL, fdatasync, (int fd), (fd))
CALL(int, -1, "rename", AT_FDCWD, from, rename, (const char *from, const char *to), (from, to))
CALL(int, -1, "rename", one, from, renameat, (int one, const char *from, int other, const char *to),
     (one, from, other, to))
CALL(int, -1, "rename", one, from, renameat2,
     (int one, const char *from, int other, const char *to, unsigned flags), (one, from, other, to, flags))
CALL(int, -1, "link", AT_FDCWD, to, link, (const char *from, const char *to), (from, to))
CALL(int, -1, "link", other, to, linkat, (int one, const char *from, int other, const char *to, int flags),
     (one, from, other, to, flags))
CALL(int, -1, "link", AT_FDCWD, to, symlink, (const char *text, const char *to), (text, to))
CALL(int, -1, "link", fd, to, symlinkat, (const char *text, int fd, const char *to), (text, fd, to))
CALL(int, -1, "mkdir", AT_FDCWD, path, mkdir, (const char *path, mode_t mode), (path, mode))
CALL(int, -1, "mkdir", fd, path, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode))
CALL(int, -1, "unlink", AT_FDCWD, path, unlink, (const char *path), (path))
CALL(int, -1, "unlink", fd, path, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
CALL(int, -1, "unlink", AT_FDCWD, path, rmdir, (const char *path), (path))
CALL(int, -1, "flock", fd, NULL, flock, (int fd, int how), (fd, how))
CALL(int, -1, "fstat", fd, NULL, fstat, (int fd, struct stat *st), (fd, st))
CALL(int, -1, "fstat", fd, NULL, fstat64, (int fd, struct stat64 *st), (fd, st))
CALL(int, -1, "truncate", fd, NULL, ftruncate, (int fd, off_t size), (fd, size))
CALL(int, -1, "truncate", fd, NULL, ftruncate64, (int fd, off64_t size), (fd, size))
CALL(int, -1, "meta", fd, NULL, fchmod, (int fd, mode_t mode), (fd, mode))
CALL(int, -1, "meta", fd, NULL, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
CALL(int, -1, "meta", AT_FDCWD, path, chmod, (const char *path, mode_t mode), (path, mode))
CALL(int, -1, "meta", fd, path, fchmodat, (int fd, const char *path, mode_t mode, int flags), (fd, path, mode, flags))
CALL(int, -1, "meta", fd, path, utimensat, (int fd, const char *path, const struct timespec times[2], int flags),
     (fd, path, times, flags))
CALL(int, -1, "meta", fd, NULL, futimens, (int fd, const struct timespec times[2]), (fd, times))
CALL(int, -1, "memfd", AT_FDCWD, name, memfd_create, (const char *name, unsigned flags), (name, flags))
CALL(void *, MAP_FAILED, "mmap", fd, NULL, mmap, (void *at, size_t size, int prot, int flags, int fd, off_t offset),
     (at, size, prot, flags, fd, offset))
CALL(void *, MAP_FAILED, "mmap", fd, NULL, mmap64, (void *at, size_t size, int prot, int flags, int fd, off64_t offset),
     (at, size, prot, flags, fd, offset))

int pipe2(int fds[2], int flags) {
    REAL(pipe2);
    return met("pipe", NULL) == 1 ? -1 : real(fds, flags);
}

int pipe(int fds[2]) {
    REAL(pipe);
    return met("pipe", NULL) == 1 ? -1 : real(fds);
}

pid_t fork(void) {
    REAL(fork);
    return met("fork", NULL) == 1 ? -1 : real();
}

int clock_gettime(clockid_t which, struct timespec *now) {
    REAL(clock_gettime);
    int failed = real(which, now);
    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        now->tv_sec += wrong;
    return failed;
}

int close(int fd) {
    REAL(close);
    int failed = met_at("close", fd, NULL) == 1, number_then = errno;
    int result = real(fd); /* what close(2) complains about is closed all the same */
    if (!failed)
        return result;
    errno = number_then;
    return -1;
}

int ioctl(int fd, unsigned long request, ...) {
    REAL(ioctl);
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return met_at("ioctl", fd, NULL) == 1 ? -1 : real(fd, request, argument);
}
