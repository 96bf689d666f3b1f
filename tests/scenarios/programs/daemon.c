/* daemon FILE: leave a process of another session behind, which writes FILE after a while. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **argv) {
    if (fork()) return puts("left behind") < 0;
    setsid();
    if (fork()) _exit(0);
    for (int fd = 0; fd < 3; fd++) close(fd);
    usleep(300000);
    int fd = open("writing", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (write(fd, "by the daemon\n", 14) != 14) _exit(1);
    close(fd);
    rename("writing", argv[1]);
    return 0;
}
