/* hang MARKER [SIGNAL...]: exit at once if the file `go` is there; otherwise make `ready` and wait for it.
 * MARKER only tells this process from others in /proc. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    if (access("go", F_OK) == 0) return 0;
    alarm(120);  /* nobody waits longer */
    close(open("ready", O_WRONLY | O_CREAT, 0666));
    while (access("go", F_OK) != 0) usleep(10000);
    puts("went on");
    return 5;
}
