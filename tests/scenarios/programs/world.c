/* world LOOK...: look at one side of the machine after the other and say what it is.
 *
 * A look that has no answer here says so with its errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <langinfo.h>
#include <locale.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static void clock_of(clockid_t id) {
    struct timespec t;
    if (clock_gettime(id, &t)) printf("errno %d\n", errno);
    else printf("%lld.%09ld\n", (long long)t.tv_sec, t.tv_nsec);
}

static void random_bytes(unsigned count, unsigned flags) {
    unsigned char bytes[64];
    long got = syscall(SYS_getrandom, bytes, count, flags);
    for (long i = 0; i < got; i++) printf("%02x", bytes[i]);
    printf("\n");
}

static void read_file(const char *path, int most) {
    static char bytes[1 << 16];
    int fd = open(path, O_RDONLY);
    long got = fd < 0 ? -errno : read(fd, bytes, most);
    printf("%ld:", got);
    for (long i = 0; i < got; i++) printf("%02x", (unsigned char)bytes[i]);
    printf("\n");
}

static void look(const char *name) {
    if (!strcmp(name, "clock")) clock_of(CLOCK_REALTIME);
    else if (!strcmp(name, "monotonic")) clock_of(CLOCK_MONOTONIC);
    else if (!strcmp(name, "coarse")) clock_of(CLOCK_REALTIME_COARSE);
    else if (!strcmp(name, "boottime")) clock_of(CLOCK_BOOTTIME);
    else if (!strcmp(name, "cputime")) clock_of(CLOCK_PROCESS_CPUTIME_ID);
    else if (!strcmp(name, "threadtime")) clock_of(CLOCK_THREAD_CPUTIME_ID);
    else if (!strcmp(name, "time")) printf("%lld\n", (long long)time(NULL));
    else if (!strcmp(name, "gettimeofday")) { struct timeval t; gettimeofday(&t, NULL); printf("%ld\n", (long)t.tv_usec); }
    else if (!strcmp(name, "times")) { struct tms t; printf("%ld\n", (long)times(&t)); }
    else if (!strcmp(name, "getrusage")) { struct rusage u; getrusage(RUSAGE_SELF, &u); printf("%ld\n", (long)u.ru_utime.tv_usec); }
    else if (!strcmp(name, "getrandom")) random_bytes(16, 0);
    else if (!strcmp(name, "getrandom-8")) random_bytes(8, 0);
    else if (!strcmp(name, "malloc-key")) random_bytes(8, GRND_NONBLOCK);
    else if (!strcmp(name, "urandom")) read_file("/dev/urandom", 16);
    else if (!strcmp(name, "uuid")) read_file("/proc/sys/kernel/random/uuid", 40);
    else if (!strcmp(name, "address")) printf("%p\n", (void *)&name);
    else if (!strcmp(name, "getpid")) printf("%d\n", (int)syscall(SYS_getpid));
    else if (!strcmp(name, "gettid")) printf("%d\n", (int)syscall(SYS_gettid));
    else if (!strcmp(name, "getppid")) printf("%d\n", (int)getppid());
    else if (!strcmp(name, "getpgrp")) printf("%d\n", (int)getpgrp());
    else if (!strcmp(name, "getpgid")) printf("%d\n", (int)getpgid(0));
    else if (!strcmp(name, "getsid")) printf("%d\n", (int)getsid(0));
    else if (!strcmp(name, "hostname")) { struct utsname u; uname(&u); printf("%s %s\n", u.nodename, u.release); }
    else if (!strcmp(name, "sysinfo")) { struct sysinfo s; sysinfo(&s); printf("%ld\n", s.uptime); }
    else if (!strcmp(name, "online")) printf("%ld\n", sysconf(_SC_NPROCESSORS_ONLN));
    else if (!strcmp(name, "cpus")) { cpu_set_t set; sched_getaffinity(0, sizeof set, &set); printf("%d\n", CPU_COUNT(&set)); }
    else if (!strcmp(name, "loadavg")) read_file("/proc/loadavg", 64);
    else if (!strcmp(name, "uptime")) read_file("/proc/uptime", 64);
    else if (!strcmp(name, "meminfo")) read_file("/proc/meminfo", 64);
    else if (!strcmp(name, "cpuinfo")) read_file("/proc/cpuinfo", 64);
    else if (!strcmp(name, "stat")) read_file("/proc/self/stat", 64);
    else if (!strcmp(name, "user")) { struct passwd *p = getpwuid(getuid()); printf("%s\n", p ? p->pw_name : "none"); }
    else if (!strcmp(name, "group")) { struct group *g = getgrgid(getgid()); printf("%s\n", g ? g->gr_name : "none"); }
    else if (!strcmp(name, "ids")) printf("%d %d\n", getuid(), getgid());
    else if (!strcmp(name, "locale")) { setlocale(LC_ALL, ""); printf("%s\n", nl_langinfo(CODESET)); }
    else if (!strcmp(name, "zone")) { time_t zero = 0; printf("%02d\n", localtime(&zero)->tm_hour); }
    else if (!strcmp(name, "limit")) { struct rlimit l; getrlimit(RLIMIT_NOFILE, &l); printf("%ld\n", (long)l.rlim_cur); }
    else if (!strcmp(name, "stack")) { struct rlimit l; getrlimit(RLIMIT_STACK, &l); printf("%ld\n", (long)l.rlim_cur); }
    else if (!strcmp(name, "nice")) printf("%d\n", getpriority(PRIO_PROCESS, 0));
    else if (!strcmp(name, "umask")) printf("%03o\n", umask(0));
    else if (!strcmp(name, "policy")) printf("%d\n", sched_getscheduler(0));
    else printf("no look %s\n", name);
}

int main(int count, char **names) {
    for (int i = 1; i < count; i++) look(names[i]);
    return 0;
}
