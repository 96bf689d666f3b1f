/* A program that does the steps that its arguments name, one after the other, each a system call or two:
 *
 *     steps open out wct write text stat out
 *
 * Whoever includes this gives the table: const struct step table[] = {COMMON_STEPS, STEP(mine, 1), {0}}.
 * Steps about a descriptor use the current one: the last opened, or that chosen by `fd N`.
 * A step that fails says so on stdout ("open x: ENOENT") and the next one is done.
 * `thread` and `fork` do all later steps in a new thread or child, and wait for it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int fd = -1;
static char buffer[1 << 16];

struct step { const char *name; int arguments; int (*function)(char **); };
extern const struct step table[];  /* ends with an empty one */
#define STEP(name, arguments) {#name, arguments, do_##name}

static long say(const char *text, long length) { return write(1, text, length); }

static int do_open(char **a) {
    static const struct { char letter; int flag; } table[] = {
        {'r', O_RDONLY}, {'w', O_WRONLY}, {'b', O_RDWR}, {'c', O_CREAT}, {'t', O_TRUNC}, {'a', O_APPEND},
        {'x', O_EXCL}, {'n', O_NOFOLLOW}, {'d', O_DIRECTORY}, {'p', O_PATH}, {'T', O_TMPFILE},
    };
    int flags = 0;
    for (const char *letter = a[1]; *letter; letter++)
        for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
            if (table[i].letter == *letter) flags |= table[i].flag;
    return fd = open(a[0], flags, 0666);
}
static int do_fd(char **a) { return fd = atoi(a[0]); }
static int do_dup(char **a) { return fd = dup(atoi(a[0])); }
static int do_dup2(char **a) { return dup2(fd, atoi(a[0])); }
static int do_close(char **a) { return close(fd); }
static int do_write(char **a) { return write(fd, a[0], strlen(a[0])); }
static int do_pwrite(char **a) { return pwrite(fd, a[1], strlen(a[1]), atol(a[0])); }
static int do_seek(char **a) { return lseek(fd, atol(a[0]), SEEK_SET); }
static int do_say(char **a) { return say(buffer, snprintf(buffer, sizeof buffer, "%s\n", a[0])); }
static int do_complain(char **a) { return write(2, a[0], strlen(a[0])) + write(2, "\n", 1); }
static int do_read(char **a) {
    long got = read(fd, buffer, atol(a[0]));
    return got > 0 ? say(buffer, got) : got;
}
static int do_scatter(char **a) {
    long size = atol(a[0]);
    struct iovec places[2] = {{buffer, size / 2}, {buffer + size / 2, size - size / 2}};
    for (long got; (got = readv(fd, places, 2)) > 0;)
        if (say(buffer, got) < 0) break;
    return 0;
}
static int do_cat(char **a) {
    int from = open(a[0], O_RDONLY | O_CLOEXEC);
    if (from < 0) return -1;
    for (long got; (got = read(from, buffer, sizeof buffer)) > 0;)
        if (say(buffer, got) < 0) break;
    return close(from);
}

static int do_rename(char **a) { return rename(a[0], a[1]); }
static int do_exchange(char **a) { return renameat2(AT_FDCWD, a[0], AT_FDCWD, a[1], RENAME_EXCHANGE); }
static int do_unlink(char **a) { return unlink(a[0]); }
static int do_link(char **a) { return link(a[0], a[1]); }
static int do_symlink(char **a) { return symlink(a[0], a[1]); }
static int do_mkdir(char **a) { return mkdir(a[0], 0777); }
static int do_rmdir(char **a) { return rmdir(a[0]); }
static int do_mkfifo(char **a) { return mkfifo(a[0], 0666); }
static int do_chdir(char **a) { return chdir(a[0]); }
static int do_fchdir(char **a) { return fchdir(fd); }
static int do_chmod(char **a) { return chmod(a[1], strtol(a[0], 0, 8)); }
static int do_fchmod(char **a) { return fchmod(fd, strtol(a[0], 0, 8)); }
static int do_umask(char **a) { umask(strtol(a[0], 0, 8)); return 0; }
static int do_truncate(char **a) { return truncate(a[0], atol(a[1])); }
static int do_ftruncate(char **a) { return ftruncate(fd, atol(a[0])); }
static int do_utime(char **a) {
    struct timespec times[2] = {{atol(a[1]), 123456789}, {atol(a[1]), 123456789}};
    return utimensat(AT_FDCWD, a[0], times, 0);
}
static int do_futime(char **a) {
    struct timespec times[2] = {{atol(a[0]), 5}, {atol(a[0]), 5}};
    return futimens(fd, times);
}
static int do_setxattr(char **a) { return setxattr(a[0], a[1], a[2], strlen(a[2]), 0); }
static int do_getxattr(char **a) {
    int got = getxattr(a[0], a[1], buffer, sizeof buffer);
    if (got >= 0) buffer[got++] = '\n';
    return got > 0 ? say(buffer, got) : got;
}

static int do_access(char **a) {
    if (access(a[0], R_OK) < 0) return -1;
    return printf("access %s: yes\n", a[0]);
}
static int do_stat(char **a) {
    struct stat s;
    if (stat(a[0], &s) < 0) return -1;
    return printf("stat %s: %o %lld\n", a[0], s.st_mode, S_ISDIR(s.st_mode) ? 0LL : (long long)s.st_size);
}
static int do_lstat(char **a) {
    struct stat s;
    if (lstat(a[0], &s) < 0) return -1;
    return printf("lstat %s: %o\n", a[0], s.st_mode);
}
static int do_readlink(char **a) {
    int got = readlink(a[0], buffer, sizeof buffer - 1);
    if (got >= 0) buffer[got++] = '\n';
    return got > 0 ? say(buffer, got) : got;
}
static int do_statfs(char **a) {
    struct statfs s;
    if (statfs(a[0], &s) < 0) return -1;
    return printf("statfs %s: %lx\n", a[0], (long)s.f_type);
}
static int do_ls(char **a) {
    struct dirent **names;
    int count = scandir(a[0], &names, 0, alphasort);
    for (int i = 0; i < count; i++) printf("%s\n", names[i]->d_name);
    return count;
}
static int do_cwd(char **a) { return printf("%s\n", getcwd(buffer, sizeof buffer) ?: "gone"); }
static int do_env(char **a) { return printf("%s=%s\n", a[0], getenv(a[0]) ?: "(unset)"); }

static int do_mapwrite(char **a) {
    long offset = atol(a[0]), length = offset + strlen(a[1]);
    char *memory = mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) return -1;
    memcpy(memory + offset, a[1], strlen(a[1]));
    return munmap(memory, length);
}
static int do_linkfd(char **a) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, name, AT_FDCWD, a[0], AT_SYMLINK_FOLLOW);
}
static int do_memfd(char **a) { return fd = memfd_create("memory", 0); }
static int do_sendfile(char **a) {
    int from = open(a[0], O_RDONLY);
    return sendfile(fd, from, 0, 1 << 20) + close(from);
}
static int do_copyrange(char **a) {
    int from = open(a[0], O_RDONLY);
    return copy_file_range(from, 0, fd, 0, 1 << 20, 0) + close(from);
}
static int do_splice(char **a) {
    int from = open(a[0], O_RDONLY), ends[2];
    if (pipe(ends) < 0) return -1;
    long moved = splice(from, 0, ends[1], 0, 1 << 15, 0);
    return splice(ends[0], 0, fd, 0, moved, 0);
}

static int do_connect(char **a) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(a[0]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to);
}
static int do_unixconnect(char **a) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strncpy(to.sun_path, a[0], sizeof to.sun_path - 1);
    return connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to);
}
static int do_ptrace(char **a) { return ptrace(PTRACE_CONT, getpid(), 0, 0); }
static int do_sleep(char **a) { return usleep(atol(a[0]) * 1000); }
static int do_kill(char **a) { return kill(getpid(), atoi(a[0])); }
static int do_exit(char **a) { exit(atoi(a[0])); }
static int do_sh(char **a) { fflush(stdout); return system(a[0]); }

#define COMMON_STEPS \
    STEP(open, 2), STEP(fd, 1), STEP(dup, 1), STEP(dup2, 1), STEP(close, 0), STEP(write, 1), STEP(pwrite, 2), \
    STEP(seek, 1), STEP(say, 1), STEP(complain, 1), STEP(read, 1), STEP(scatter, 1), STEP(cat, 1), STEP(rename, 2), \
    STEP(exchange, 2), STEP(unlink, 1), STEP(link, 2), STEP(symlink, 2), STEP(mkdir, 1), STEP(rmdir, 1), \
    STEP(mkfifo, 1), STEP(chdir, 1), STEP(fchdir, 0), STEP(chmod, 2), STEP(fchmod, 1), STEP(umask, 1), \
    STEP(truncate, 2), STEP(ftruncate, 1), STEP(utime, 2), STEP(futime, 1), STEP(setxattr, 3), \
    STEP(getxattr, 2), STEP(access, 1), STEP(stat, 1), STEP(lstat, 1), STEP(readlink, 1), STEP(statfs, 1), \
    STEP(ls, 1), STEP(cwd, 0), STEP(env, 1), STEP(mapwrite, 2), STEP(linkfd, 1), STEP(memfd, 0), \
    STEP(sendfile, 1), STEP(copyrange, 1), STEP(splice, 1), STEP(connect, 1), STEP(unixconnect, 1), \
    STEP(ptrace, 0), STEP(sleep, 1), STEP(kill, 1), STEP(exit, 1), STEP(sh, 1)

static void *run(void *steps);

static void in_thread(char **rest) {
    pthread_t thread;
    if (pthread_create(&thread, 0, run, rest)) exit(91);
    pthread_join(thread, 0);
}

static void in_child(char **rest) {
    int status;
    if (fork() == 0) { run(rest); exit(0); }
    wait(&status);
    if (status) printf("child: %d\n", status);
}

static void *run(void *steps) {
    for (char **at = steps; *at;) {
        const char *name = *at++;
        if (!strcmp(name, "thread")) { in_thread(at); return 0; }
        if (!strcmp(name, "fork")) { in_child(at); return 0; }
        const struct step *step = table;
        while (step->name && strcmp(step->name, name)) step++;
        if (!step->name) { fprintf(stderr, "steps: no step %s\n", name); exit(99); }
        for (int k = 0; k < step->arguments; k++)
            if (!at[k]) { fprintf(stderr, "steps: too few arguments: %s\n", name); exit(99); }
        if (step->function(at) < 0)
            printf("%s %s: %s\n", name, step->arguments ? *at : "", strerrorname_np(errno) ?: "?");
        at += step->arguments;
    }
    return 0;
}

int main(int count, char **steps) {
    setvbuf(stdout, 0, _IONBF, 0);
    run(steps + 1);
    return 0;
}
