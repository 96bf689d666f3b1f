/* process WAY: processes and threads of every kind; each way copies the file `in` to stdout or to a file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[1 << 16];

static void copy(const char *name) {
    int from = open(name, O_RDONLY);
    long got = from < 0 ? -1 : read(from, buffer, sizeof buffer);
    if (got < 0) dprintf(1, "%s: %s\n", name, strerrorname_np(errno));
    else if (write(1, buffer, got) != got) _exit(99);
    close(from);
}

static void put(const char *name, const char *text) {
    int to = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (write(to, text, strlen(text)) < 0) _exit(98);
    close(to);
}

static void reap(void) {
    int status;
    while (wait(&status) > 0)
        if (status) dprintf(1, "status %d\n", status);
}

static void *copies(void *nothing) { copy("in"); return 0; }
static void *waits(void *nothing) { while (pause()) {} return 0; }
static void *executes(void *nothing) {
    execlp("cat", "cat", "in", (char *)0);
    _exit(97);
}
static void *writes(void *number) {
    char name[32], text[32];
    snprintf(name, sizeof name, "out-%ld", (long)(intptr_t)number);
    snprintf(text, sizeof text, "thread %ld\n", (long)(intptr_t)number);
    put(name, text);
    return 0;
}

static void in_threads(int count, void *(*what)(void *), int join) {
    pthread_t threads[64];
    for (int i = 0; i < count; i++) pthread_create(threads + i, 0, what, (void *)(intptr_t)i);
    for (int i = 0; join && i < count; i++) pthread_join(threads[i], 0);
}

static void way_threads(void) { in_threads(20, writes, 1); copy("in"); }
static void way_exit_with_threads(void) { in_threads(5, waits, 0); copy("in"); exit(3); }
static void way_exit_by_a_thread(void) { in_threads(3, waits, 0); pthread_t one; pthread_create(&one, 0, copies, 0); pthread_join(one, 0); _exit(4); }
static void way_leader_ends(void) { in_threads(2, copies, 0); pthread_exit(0); }
static void way_exec_by_a_thread(void) { in_threads(2, waits, 0); in_threads(1, executes, 0); for (;;) pause(); }

static void way_fork(void) { if (!fork()) { copy("in"); put("out", "by the child\n"); _exit(5); } reap(); }
static void way_forks(void) {
    pid_t children[8];
    int status;
    for (int i = 0; i < 8; i++)
        if (!(children[i] = fork())) { writes((void *)(intptr_t)i); _exit(i); }
    for (int i = 0; i < 8; i++) waitpid(children[i], &status, 0), dprintf(1, "%d\n", status);
    copy("in");
}
static void way_double_fork(void) {
    int ends[2];
    char letter;
    if (pipe(ends)) _exit(96);
    if (!fork()) {
        if (!fork()) { close(ends[0]); setsid(); copy("in"); put("out", "by the grandchild\n"); _exit(0); }
        _exit(0);
    }
    close(ends[1]);
    reap();
    if (read(ends[0], &letter, 1) != 0) _exit(95);
}
static void way_subreaper(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (!fork()) {
        if (!fork()) { usleep(20000); copy("in"); _exit(6); }
        _exit(0);
    }
    reap();
}
static void way_vfork(void) { if (!vfork()) { execlp("cat", "cat", "in", (char *)0); _exit(94); } reap(); }
static void way_vfork_without_exec(void) { if (!vfork()) _exit(7); reap(); copy("in"); }
static void way_shared_tables(void) {  /* the child shares folder and descriptors: what it changes, changes here */
    static char stack[1 << 16];
    int work(void *nothing) { close(open("in", O_RDONLY)); dup2(open("in", O_RDONLY), 9); return chdir("d"); }
    int child = clone(work, stack + sizeof stack, CLONE_FS | CLONE_FILES | SIGCHLD, 0);
    waitpid(child, 0, 0);
    copy("x");
    long got = read(9, buffer, sizeof buffer);
    if (write(1, buffer, got) != got) _exit(93);
}
static void way_clone3(void) {
    struct clone_args arguments = {.flags = CLONE_UNTRACED | CLONE_VFORK, .exit_signal = SIGCHLD};
    if (syscall(SYS_clone3, &arguments, sizeof arguments) == 0) { copy("in"); _exit(8); }
    reap();
}
static void way_killed_child(void) {
    pid_t child = fork();
    if (!child) { copy("in"); raise(SIGSTOP); put("out", "never\n"); _exit(0); }
    waitpid(child, 0, WUNTRACED);
    kill(child, SIGKILL);
    reap();
}
static void way_continued_child(void) {
    int status;
    pid_t child = fork();
    if (!child) { raise(SIGSTOP); usleep(200000); copy("in"); _exit(9); }
    waitpid(child, &status, WUNTRACED);
    dprintf(1, "stopped %d\n", WIFSTOPPED(status));
    kill(child, SIGCONT);
    waitpid(child, &status, WCONTINUED);
    dprintf(1, "continued %d\n", WIFCONTINUED(status));
    reap();
}
static void way_many(void) { for (int i = 0; i < 1000; i++) if (!fork()) _exit(0); else wait(0); copy("in"); }
static void way_aborts(void) { copy("in"); abort(); }
static void way_child_aborts(void) { if (!fork()) { copy("in"); abort(); } reap(); }
static void way_faults(void) { copy("in"); *(volatile int *)8 = 1; }
static void way_alarm(void) { copy("in"); alarm(1); for (;;) pause(); }
static void way_no_exec(void) { execl("none", "none", (char *)0); dprintf(1, "%s\n", strerrorname_np(errno)); copy("in"); }
static void way_groups(void) {
    pid_t child = fork();
    if (!child) { setpgid(0, 0); copy("in"); pause(); _exit(0); }
    usleep(50000);
    kill(-child, SIGTERM);
    reap();
}
static void way_signals(void) {
    static volatile int seen;
    void count(int number) { seen++; }
    struct sigaction action = {.sa_handler = count};
    sigset_t set, old;
    sigaction(SIGUSR1, &action, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    kill(getpid(), SIGUSR1);
    dprintf(1, "%d\n", seen);
    sigprocmask(SIG_SETMASK, &old, 0);
    syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
    dprintf(1, "%d\n", seen);
    copy("in");
}
static void way_limits(void) {
    struct rlimit limit = {5, 5};
    setrlimit(RLIMIT_NOFILE, &limit);
    while (open("in", O_RDONLY) >= 0) dprintf(1, ".");
    dprintf(1, "%s\n", strerrorname_np(errno));
}
static void way_size_limit(void) {
    struct rlimit limit = {10, 10};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    int to = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    dprintf(1, "%ld", (long)write(to, "0123456789abcdef", 16));
    dprintf(1, " %ld\n", (long)write(to, "x", 1));
    copy("in");
}

#define WAY(name) {#name, way_##name}
static const struct { const char *name; void (*function)(void); } ways[] = {
    WAY(threads), WAY(exit_with_threads), WAY(exit_by_a_thread), WAY(leader_ends), WAY(exec_by_a_thread), WAY(fork),
    WAY(forks), WAY(double_fork), WAY(subreaper), WAY(vfork), WAY(vfork_without_exec), WAY(shared_tables), WAY(clone3),
    WAY(killed_child), WAY(continued_child), WAY(many), WAY(aborts), WAY(child_aborts), WAY(faults), WAY(alarm),
    WAY(no_exec), WAY(groups), WAY(signals), WAY(limits), WAY(size_limit),
};

int main(int count, char **argv) {
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(ways[i].name, argv[1])) return ways[i].function(), 0;
    fprintf(stderr, "process: no way %s\n", argv[1]);
    return 99;
}
