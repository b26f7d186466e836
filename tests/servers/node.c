/* What a cluster's node sees of a shared directory: its locks are not those of other nodes, and O_TMPFILE is missing.
 *
 * flock(2) locks a file of the node itself in place of the shared one: NODE_LOCKS/<device>-<inode>.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST 65536

static int lock_of[MOST]; /* the node's own descriptor for a shared one, plus 1 */

static int (*real_close)(int);

int close(int fd)
{
    if (!real_close)
        real_close = dlsym(RTLD_NEXT, "close");
    if (fd >= 0 && fd < MOST && lock_of[fd]) {
        int own = lock_of[fd] - 1;
        lock_of[fd] = 0;
        real_close(own);
    }
    return real_close(fd);
}

int flock(int fd, int operation)
{
    static int (*real_flock)(int, int);
    struct stat status;
    char name[4096];

    if (!real_flock)
        real_flock = dlsym(RTLD_NEXT, "flock");
    if (fd < 0 || fd >= MOST || fstat(fd, &status))
        return real_flock(fd, operation);
    if (!lock_of[fd]) {
        snprintf(name, sizeof name, "%s/%lx-%lx", getenv("NODE_LOCKS"), (long)status.st_dev, (long)status.st_ino);
        int own = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (own < 0)
            return -1;
        lock_of[fd] = own + 1;
    }
    return real_flock(lock_of[fd] - 1, operation);
}

#define REFUSE(flags)                              \
    if (((flags) & O_TMPFILE) == O_TMPFILE) {      \
        errno = EOPNOTSUPP;                        \
        return -1;                                 \
    }

#define OPEN(name)                                                        \
    int name(const char *path, int flags, ...)                            \
    {                                                                     \
        static int (*real)(const char *, int, ...);                       \
        va_list rest;                                                     \
        va_start(rest, flags);                                            \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;         \
        va_end(rest);                                                     \
        REFUSE(flags)                                                     \
        if (!real)                                                        \
            real = dlsym(RTLD_NEXT, #name);                               \
        return real(path, flags, mode);                                   \
    }

#define OPENAT(name)                                                      \
    int name(int folder, const char *path, int flags, ...)                \
    {                                                                     \
        static int (*real)(int, const char *, int, ...);                  \
        va_list rest;                                                     \
        va_start(rest, flags);                                            \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;         \
        va_end(rest);                                                     \
        REFUSE(flags)                                                     \
        if (!real)                                                        \
            real = dlsym(RTLD_NEXT, #name);                               \
        return real(folder, path, flags, mode);                           \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
