/* calls STEP ARG...: the common steps, and the rarer calls on files. */
#include "steps.h"
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

struct word { const char *text; long value; };

static long meaning(const struct word *words, const char *text) {
    while (words->text && strcmp(words->text, text)) words++;
    if (!words->text) { fprintf(stderr, "calls: no word %s\n", text); exit(99); }
    return words->value;
}

static int do_creat(char **a) { return fd = creat(a[0], 0640); }
static int do_openat(char **a) { return fd = openat(fd, a[0], O_RDWR | O_CREAT, 0666); }
static int do_openat2(char **a) {
    static const struct word words[] = {
        {"beneath", RESOLVE_BENEATH}, {"nolinks", RESOLVE_NO_SYMLINKS}, {"inroot", RESOLVE_IN_ROOT},
        {"nomagic", RESOLVE_NO_MAGICLINKS}, {"noxdev", RESOLVE_NO_XDEV}, {"cached", RESOLVE_CACHED}, {"plain", 0}, {0},
    };
    struct open_how how = {.flags = O_RDONLY, .resolve = meaning(words, a[1])};
    if (!strcmp(a[1], "cached")) access(a[0], F_OK);
    return fd = syscall(SYS_openat2, AT_FDCWD, a[0], &how, sizeof how);
}
static int do_reopen(char **a) {  /* the current descriptor by its name in /proc, with flags as for open */
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return do_open((char *[]){name, a[0]});
}

static void nothing(int number) {}
static int do_alarms(char **a) {  /* so many signals a second from now on */
    struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 1000000 / atoi(a[0])}, {0, 1}};
    return sigaction(SIGALRM, &action, 0) + setitimer(ITIMER_REAL, &often, 0);
}
static int do_reopens(char **a) {  /* the current descriptor again, so many times, and each is written to */
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    for (int i = 0; i < atoi(a[0]); i++) {
        int again = open(name, O_WRONLY);
        if (again < 0 || write(again, ".", 1) != 1) return -1;
    }
    return 0;
}

static int do_fallocate(char **a) {
    static const struct word words[] = {
        {"plain", 0}, {"keep", FALLOC_FL_KEEP_SIZE}, {"punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
        {"zero", FALLOC_FL_ZERO_RANGE}, {"collapse", FALLOC_FL_COLLAPSE_RANGE}, {"insert", FALLOC_FL_INSERT_RANGE}, {0},
    };
    return fallocate(fd, meaning(words, a[0]), atol(a[1]), atol(a[2]));
}
static int do_fill(char **a) {  /* so many bytes of one letter */
    memset(buffer, a[1][0], sizeof buffer);
    for (long left = atol(a[0]); left > 0; left -= sizeof buffer)
        if (write(fd, buffer, left < (long)sizeof buffer ? left : (long)sizeof buffer) < 0) return -1;
    return 0;
}
static int do_clone(char **a) {
    int from = open(a[0], O_RDONLY), done = ioctl(fd, FICLONE, from);
    close(from);
    return done;
}
static int do_pwritev(char **a) {
    struct iovec parts[2] = {{a[1], strlen(a[1])}, {a[2], strlen(a[2])}};
    return pwritev(fd, parts, 2, atol(a[0]));
}
static int do_append(char **a) {
    struct iovec part = {a[0], strlen(a[0])};
    return pwritev2(fd, &part, 1, 0, RWF_APPEND);
}
static int do_preadv(char **a) {
    struct iovec part = {buffer, atol(a[1])};
    int got = preadv(fd, &part, 1, atol(a[0]));
    return got > 0 ? say(buffer, got) : got;
}
static int do_vmsplice(char **a) {
    int ends[2];
    struct iovec part = {a[0], strlen(a[0])};
    if (pipe(ends) < 0 || vmsplice(ends[1], &part, 1, 0) < 0) return -1;
    return splice(ends[0], 0, fd, 0, strlen(a[0]), 0);
}

static int do_tee(char **a) { return tee(0, fd, 1 << 15, 0); }  /* stdin stays unread */

static int do_noreplace(char **a) { return renameat2(AT_FDCWD, a[0], AT_FDCWD, a[1], RENAME_NOREPLACE); }
static int do_chown(char **a) { return chown(a[1], atoi(a[0]), atoi(a[0])); }
static int do_lchown(char **a) { return lchown(a[1], atoi(a[0]), atoi(a[0])); }
static int do_fchown(char **a) { return fchown(fd, atoi(a[0]), -1); }
static int do_lchmod(char **a) { return syscall(452, AT_FDCWD, a[1], strtol(a[0], 0, 8), AT_SYMLINK_NOFOLLOW); }
static int do_fchmodat2(char **a) { return syscall(452, AT_FDCWD, a[1], strtol(a[0], 0, 8), 0); }
static int do_utimeonly(char **a) {  /* atime stays */
    struct timespec times[2] = {{0, UTIME_OMIT}, {atol(a[1]), 999999999}};
    return utimensat(AT_FDCWD, a[0], times, 0);
}
static int do_lutime(char **a) {
    struct timespec times[2] = {{1, 0}, {atol(a[1]), 7}};
    return utimensat(AT_FDCWD, a[0], times, AT_SYMLINK_NOFOLLOW);
}
static int do_utimenow(char **a) { return utimensat(AT_FDCWD, a[0], 0, 0); }
static int do_mtime(char **a) {
    struct stat look;
    if (lstat(a[0], &look) < 0) return -1;
    return printf("%s: %ld.%09ld\n", a[0], (long)look.st_mtim.tv_sec, look.st_mtim.tv_nsec);
}
static int do_fstat(char **a) {
    struct stat look;
    if (fstat(fd, &look) < 0) return -1;
    return printf("%o %lld, %d links\n", look.st_mode, (long long)look.st_size, (int)look.st_nlink);
}
static int do_statx(char **a) {
    struct statx look;
    if (statx(AT_FDCWD, a[0], AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &look) < 0) return -1;
    return printf("%o %llu %u\n", look.stx_mode, (unsigned long long)look.stx_size, look.stx_nlink);
}
static int do_statempty(char **a) {  /* as stat, with a flag that means something only for an empty path */
    struct stat look;
    if (fstatat(AT_FDCWD, a[0], &look, AT_EMPTY_PATH) < 0) return -1;
    return printf("%o %lld\n", look.st_mode, (long long)look.st_size);
}
static int do_chownempty(char **a) { return fchownat(AT_FDCWD, "", atoi(a[0]), -1, AT_EMPTY_PATH); }
static int do_faccessat2(char **a) { return printf("%d\n", faccessat(AT_FDCWD, a[0], X_OK, AT_EACCESS)); }

static int do_fsetxattr(char **a) { return fsetxattr(fd, a[0], a[1], strlen(a[1]), 0); }
static int do_lsetxattr(char **a) { return lsetxattr(a[0], a[1], a[2], strlen(a[2]), 0); }
static int do_removexattr(char **a) { return removexattr(a[0], a[1]); }
static int do_listxattr(char **a) {
    int got = listxattr(a[0], buffer, sizeof buffer);
    for (int i = 0; i < got; i++)
        if (!buffer[i]) buffer[i] = '\n';
    return got > 0 ? say(buffer, got) : got;
}
static int do_mknod(char **a) {
    static const struct word words[] = {{"file", S_IFREG}, {"fifo", S_IFIFO}, {"socket", S_IFSOCK}, {"null", S_IFCHR}, {0}};
    return mknod(a[1], meaning(words, a[0]) | 0600, makedev(1, 3));
}
static int do_linkempty(char **a) { return linkat(fd, "", AT_FDCWD, a[0], AT_EMPTY_PATH); }

static int do_mapread(char **a) {
    char *memory = mmap(0, atol(a[0]), PROT_READ, MAP_PRIVATE, fd, 0);
    return memory == MAP_FAILED ? -1 : say(memory, atol(a[0]));
}
static int do_mapprivate(char **a) {  /* a private mapping that is written leaves the file as it is */
    char *memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    return memory == MAP_FAILED ? -1 : (int)(intptr_t)memcpy(memory, a[0], strlen(a[0])) * 0;
}
static int do_mapkept(char **a) {  /* written after the descriptor is closed, and never unmapped */
    char *memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED || close(fd) < 0) return -1;
    memcpy(memory, a[0], strlen(a[0]));
    return 0;
}

static int do_mkdirat(char **a) { return mkdirat(fd, a[0], 0750); }
static int do_unlinkat(char **a) { return unlinkat(fd, a[0], 0); }
static int do_symlinkat(char **a) { return symlinkat(a[0], fd, a[1]); }
static int do_lsfd(char **a) {  /* the names in the current folder descriptor */
    struct dirent **names;
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d/.", fd);
    int count = scandir(name, &names, 0, alphasort);
    for (int i = 0; i < count; i++) printf("%s\n", names[i]->d_name);
    return count;
}
static int do_nest(char **a) {  /* make so many folders, one in the other, and stay in the last */
    for (int i = 0; i < atoi(a[0]); i++)
        if (mkdir("a-folder-with-a-long-name", 0777) < 0 || chdir("a-folder-with-a-long-name") < 0) return -1;
    return 0;
}
static int do_climb(char **a) {
    for (int i = 0; i < atoi(a[0]); i++)
        if (chdir("..") < 0) return -1;
    return 0;
}
static int do_flock(char **a) { return flock(fd, LOCK_EX); }
static int do_lock(char **a) { return lockf(fd, F_LOCK, 0); }
static int do_fsync(char **a) { return fsync(fd) + fdatasync(fd); }

const struct step table[] = {
    COMMON_STEPS, STEP(creat, 1), STEP(openat, 1), STEP(openat2, 2), STEP(reopen, 1), STEP(alarms, 1), STEP(reopens, 1), STEP(fallocate, 3), STEP(fill, 2),
    STEP(clone, 1), STEP(pwritev, 3), STEP(append, 1), STEP(preadv, 2), STEP(vmsplice, 1), STEP(tee, 0), STEP(noreplace, 2),
    STEP(chown, 2), STEP(lchown, 2), STEP(fchown, 1), STEP(lchmod, 2), STEP(fchmodat2, 2), STEP(utimeonly, 2),
    STEP(lutime, 2), STEP(utimenow, 1), STEP(mtime, 1), STEP(fstat, 0), STEP(statx, 1), STEP(faccessat2, 1),
    STEP(statempty, 1), STEP(chownempty, 1),
    STEP(fsetxattr, 2), STEP(lsetxattr, 3), STEP(removexattr, 2), STEP(listxattr, 1), STEP(mknod, 2), STEP(linkempty, 1),
    STEP(mapread, 1), STEP(mapprivate, 1), STEP(mapkept, 1), STEP(mkdirat, 1), STEP(unlinkat, 1), STEP(symlinkat, 2),
    STEP(lsfd, 0), STEP(nest, 1), STEP(climb, 1), STEP(flock, 0), STEP(lock, 0), STEP(fsync, 0), {0},
};
