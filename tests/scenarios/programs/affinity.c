/* What sched_getaffinity(2) itself says, without the C library: for several sizes, ids and a bad address. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned char mask[2048];

static void ask(const char *what, long pid, size_t size, void *where)
{
    memset(mask, 7, sizeof mask);
    long found = syscall(SYS_sched_getaffinity, pid, size, where);
    printf("%s, %zu bytes: %ld, error %d,", what, size, found, found < 0 ? errno : 0);
    for (int at = 0; at < 40; at++)
        printf(" %x", mask[at]);
    puts("");
}

int main(void)
{
    static const size_t sizes[] = {0, 4, 7, 8, 12, 16, 32, 128, 1024, 2048};
    for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++)
        ask("own", 0, sizes[at], mask);
    ask("own id", getpid(), 128, mask);
    ask("a parent", getppid(), 128, mask);
    ask("nobody", 99999999, 128, mask);
    ask("bad address", 0, 128, (void *)8);
    return 0;
}
