/* spawn WAY PROGRAM ARG...: start the program in one of many ways, wait for it, say how it ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char **command;
static const char *way;

static int from_memory(void) {
    int from = open(command[0], O_RDONLY), memory = memfd_create("program", 0);
    struct stat look;
    fstat(from, &look);
    for (off_t at = 0; at < look.st_size;) sendfile(memory, from, &at, look.st_size);
    return memory;
}

static void *become(void *nothing) {
    if (!strcmp(way, "execveat")) {
        char *folder = strdup(command[0]), *slash = strrchr(folder, '/');
        *slash = 0;
        syscall(SYS_execveat, open(folder, O_PATH), slash + 1, command, environ, 0);
    } else if (!strcmp(way, "fexecve"))
        syscall(SYS_execveat, open(command[0], O_PATH), "", command, environ, AT_EMPTY_PATH);
    else if (!strcmp(way, "memory"))
        syscall(SYS_execveat, from_memory(), "", command, environ, AT_EMPTY_PATH);
    else
        execv(command[0], command);
    _exit(errno);
}

static int in_clone(void *nothing) { become(0); return 0; }

static pid_t start(void) {
    static char stack[1 << 16];
    pid_t child;
    if (!strcmp(way, "vfork")) {
        if ((child = vfork()) == 0) become(0);
    } else if (!strcmp(way, "posix_spawn")) {
        if (posix_spawn(&child, command[0], 0, 0, command, environ)) return -1;
    } else if (!strcmp(way, "clone"))
        child = clone(in_clone, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
    else if (!strcmp(way, "untraced"))
        child = clone(in_clone, stack + sizeof stack, CLONE_UNTRACED | SIGCHLD, 0);
    else if (!strcmp(way, "clone3")) {
        struct clone_args arguments = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
        if ((child = syscall(SYS_clone3, &arguments, sizeof arguments)) == 0) become(0);
    } else if ((child = fork()) == 0) {
        if (!strcmp(way, "thread")) {
            pthread_t thread;
            pthread_create(&thread, 0, become, 0);
            pthread_join(thread, 0);
        } else
            become(0);
    }
    return child;
}

int main(int count, char **argv) {
    int status = 0;
    way = argv[1], command = argv + 2;
    if (start() < 0) return perror(way), 1;
    wait(&status);
    printf("%s: %d\n", way, status);
    return 0;
}
