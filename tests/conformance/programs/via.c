/* via WHAT COMMAND...: run a command with other streams, pass on what it writes, and end as it does.
 *
 *   pty      all three streams are a terminal; what stdin has goes to it
 *   pty-in, pty-out, pty-err   only that one
 *   socket   stdin and stdout are a socket
 *   gone     stdout is a pipe whose reader is gone */
#define _GNU_SOURCE
#include <errno.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int ours, theirs;

static void make(const char *what) {
    int ends[2];
    if (!strncmp(what, "pty", 3)) {
        struct termios plain;
        struct winsize size = {24, 80, 0, 0};
        openpty(&ours, &theirs, 0, 0, &size);
        tcgetattr(theirs, &plain);
        plain.c_oflag &= ~OPOST;
        plain.c_lflag &= ~ECHO;
        tcsetattr(theirs, TCSANOW, &plain);
    } else if (!strcmp(what, "socket")) {
        socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
        ours = ends[0], theirs = ends[1];
    } else {
        if (pipe(ends)) _exit(99);
        ours = -1, theirs = ends[1];
        close(ends[0]);
    }
}

static void become(const char *what, char **command) {
    if (ours >= 0) close(ours);
    setsid();
    if (!strcmp(what, "pty")) ioctl(theirs, TIOCSCTTY, 0);
    if (!strcmp(what, "pty") || !strcmp(what, "pty-in") || !strcmp(what, "socket")) dup2(theirs, 0);
    if (strcmp(what, "pty-in") && strcmp(what, "pty-err")) dup2(theirs, 1);
    if (!strcmp(what, "pty") || !strcmp(what, "pty-err")) dup2(theirs, 2);
    close(theirs);
    signal(SIGPIPE, SIG_DFL);
    execvp(command[0], command);
    _exit(127);
}

int main(int count, char **argv) {
    char buffer[1 << 16];
    int status;
    make(argv[1]);
    pid_t child = fork();
    if (child == 0) become(argv[1], argv + 2);
    close(theirs);
    if (!strcmp(argv[1], "pty-in") || !strcmp(argv[1], "socket")) {
        if (write(ours, "typed\n", 6) != 6) return 98;
        if (!strcmp(argv[1], "socket")) shutdown(ours, SHUT_WR);
    } else
        for (long got; ours >= 0 && (got = read(ours, buffer, sizeof buffer)) > 0;)
            if (write(1, buffer, got) != got) return 98;
    if (!strcmp(argv[1], "socket"))
        for (long got; (got = read(ours, buffer, sizeof buffer)) > 0;)
            if (write(1, buffer, got) != got) return 98;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (WIFSIGNALED(status)) {
        printf("signal %d\n", WTERMSIG(status));
        return 128 + WTERMSIG(status);
    }
    return WEXITSTATUS(status);
}
