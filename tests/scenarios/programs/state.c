/* state: print the state that a process inherits: open descriptors, signals, mask, limits, niceness. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    printf("descriptors:");
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0) printf(" %d", fd);
    printf("\nignored:");
    struct sigaction action;
    for (int number = 1; number < 65; number++)
        if (!sigaction(number, 0, &action) && action.sa_handler == SIG_IGN) printf(" %d", number);
    printf("\nblocked:");
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, 0, &blocked);
    for (int number = 1; number < 65; number++)
        if (sigismember(&blocked, number) == 1) printf(" %d", number);
    printf("\nlimits:");
    for (int which = 0; which < RLIM_NLIMITS; which++) {
        struct rlimit limit;
        getrlimit(which, &limit);
        printf(" %lx/%lx", (long)limit.rlim_cur, (long)limit.rlim_max);
    }
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof cpus, &cpus);
    printf("\numask %03o, nice %d, cpus %d, personality %x, dumpable %d, subreaper", umask(0),
           getpriority(PRIO_PROCESS, 0), CPU_COUNT(&cpus), personality(0xffffffff), prctl(PR_GET_DUMPABLE));
    int reaper = -1;
    prctl(PR_GET_CHILD_SUBREAPER, &reaper);
    printf(" %d, terminals %d%d%d\n", reaper, isatty(0), isatty(1), isatty(2));
    return 0;
}
