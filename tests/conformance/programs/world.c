/* world STEP ARG...: the common steps, and calls that look at the machine or speak to it. */
#include "steps.h"
#include <linux/io_uring.h>
#include <mqueue.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

static int do_hostname(char **a) {
    struct utsname name;
    return uname(&name) < 0 ? -1 : printf("%s\n", name.nodename);
}
static int do_cpus(char **a) {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    return printf("%d %ld\n", CPU_COUNT(&set), sysconf(_SC_NPROCESSORS_ONLN));
}
static int do_nice(char **a) { return printf("%d\n", getpriority(PRIO_PROCESS, 0)); }
static int do_limit(char **a) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    return printf("%ld\n", (long)limit.rlim_cur);
}
static int do_mask(char **a) { int mask = umask(022); umask(mask); return printf("%03o\n", mask); }
static int do_ignored(char **a) {
    struct sigaction action;
    sigaction(atoi(a[0]), 0, &action);
    return printf("%d\n", action.sa_handler == SIG_IGN);
}
static int do_isatty(char **a) { return printf("%d\n", isatty(atoi(a[0]))); }
static int do_unseen(char **a) {  /* looks at clocks, random numbers and ids, and says nothing of them */
    struct timespec now;
    struct sysinfo info;
    char random[16];
    clock_gettime(CLOCK_REALTIME, &now);
    sysinfo(&info);
    return getrandom(random, sizeof random, 0) < 0 || getpid() < 0 ? -1 : 0;
}
static int do_iouring(char **a) {  /* falls back to nothing, as programs do */
    struct io_uring_params parameters = {0};
    close(syscall(SYS_io_uring_setup, 4, &parameters));
    return 0;
}
static int do_events(char **a) {
    struct epoll_event event = {.events = EPOLLIN};
    struct itimerspec soon = {{0, 0}, {0, 1000000}};
    int wait = epoll_create1(0), count = eventfd(1, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
    timerfd_settime(timer, 0, &soon, 0);
    epoll_ctl(wait, EPOLL_CTL_ADD, count, &event);
    epoll_ctl(wait, EPOLL_CTL_ADD, timer, &event);
    return epoll_wait(wait, &event, 1, 1000);
}
static int do_pair(char **a) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || write(ends[0], a[0], strlen(a[0])) < 0) return -1;
    return say(buffer, read(ends[1], buffer, sizeof buffer));
}
static int do_serve(char **a) {  /* a server and its client, both here, by a name in the folder */
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(name.sun_path, a[0], sizeof name.sun_path - 1);
    if (bind(server, (void *)&name, sizeof name) < 0 || listen(server, 1) < 0) return -1;
    if (connect(client, (void *)&name, sizeof name) < 0) return -1;
    int accepted = accept(server, 0, 0);
    if (write(client, "hello\n", 6) != 6) return -1;
    say(buffer, read(accepted, buffer, sizeof buffer));
    return unlink(a[0]);
}
static int do_listen(char **a) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int server = socket(AF_INET, SOCK_STREAM, 0);
    return bind(server, (void *)&any, sizeof any) + listen(server, 1);
}
static int do_udp(char **a) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (void *)&to, sizeof to);
    return 0;
}
static int do_sharedmemory(char **a) {
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    char *memory = shmat(id, 0, 0);
    strcpy(memory, "shared\n");
    say(memory, 7);
    return shmctl(id, IPC_RMID, 0);
}
static int do_posixmemory(char **a) {
    char name[64];
    snprintf(name, sizeof name, "/conformance-%d", getpid());
    int memory = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    return memory < 0 ? -1 : write(memory, "x", 1) + shm_unlink(name);
}
static int do_semaphore(char **a) {
    sem_t *one = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sem_init(one, 1, 0);
    if (!fork()) { say("child\n", 6); sem_post(one); _exit(0); }
    sem_wait(one);
    say("parent\n", 7);
    return wait(0);
}
static int do_watch(char **a) { return inotify_add_watch(inotify_init(), a[0], IN_MODIFY); }
static int do_unshare(char **a) { return unshare(CLONE_NEWNS); }
static int do_mount(char **a) { return mount("none", "none", "tmpfs", 0, 0); }
static int do_chroot(char **a) { return chroot("d") + chdir("/"); }
static int do_setuid(char **a) { return setuid(atoi(a[0])); }
static int do_readother(char **a) {
    snprintf(buffer, sizeof buffer, "/proc/%d/cmdline", getppid());
    return close(open(buffer, O_RDONLY));
}

const struct step table[] = {
    COMMON_STEPS, STEP(hostname, 0), STEP(cpus, 0), STEP(nice, 0), STEP(limit, 0), STEP(mask, 0), STEP(ignored, 1),
    STEP(isatty, 1), STEP(unseen, 0), STEP(iouring, 0), STEP(events, 0), STEP(pair, 1), STEP(serve, 1), STEP(listen, 0),
    STEP(udp, 0), STEP(sharedmemory, 0), STEP(posixmemory, 0), STEP(semaphore, 0), STEP(watch, 1), STEP(unshare, 0),
    STEP(mount, 0), STEP(chroot, 0), STEP(setuid, 1), STEP(readother, 0), {0},
};
