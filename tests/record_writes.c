/* Records what a process does to the files under RECORD_ROOT, in order, in the file RECORD_LOG.

   Loaded with LD_PRELOAD. With RECORD_FAIL_AT, that call of those that change something fails, once, with error number
   RECORD_ERRNO. A record is: kind (1 byte), length of the path (4), path, number (8), length of data (4), data.
   Kinds: c create, t truncate to number, w write data at number, s sync, r rename to data, u unlink, m mkdir, d rmdir.
   tantivy renames by the bare system call, which cannot be seen from here: temporary files are looked after instead. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out = -1;
static const char *root;
static long fail_at, calls;
static int fail_errno;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static ssize_t plain_write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return real(fd, data, size);
}

__attribute__((constructor)) static void begin(void) {
    REAL(int, "open", const char *, int, ...);
    root = getenv("RECORD_ROOT");
    if (root && getenv("RECORD_LOG")) out = real(getenv("RECORD_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (getenv("RECORD_FAIL_AT")) fail_at = atol(getenv("RECORD_FAIL_AT"));
    if (getenv("RECORD_ERRNO")) fail_errno = atoi(getenv("RECORD_ERRNO"));
    unsetenv("LD_PRELOAD");
}

static int fails(void) {
    if (++calls != fail_at) return 0;
    pthread_mutex_unlock(&lock);
    errno = fail_errno;
    return 1;
}

static int under(const char *path) {
    size_t size = root ? strlen(root) : 0;
    return out >= 0 && size && !strncmp(path, root, size) && (path[size] == '/' || !path[size]);
}

static int of_fd(int fd, char *path) {
    char link[64];
    if (out < 0 || fd == out) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    if (size > 10 && !strcmp(path + size - 10, " (deleted)")) return 0;
    return under(path);
}

static int of_name(int at, const char *name, char *path) {
    if (out < 0) return 0;
    if (name[0] == '/') snprintf(path, PATH_MAX, "%s", name);
    else {
        char base[PATH_MAX];
        if (at == AT_FDCWD) { if (!getcwd(base, sizeof base)) return 0; }
        else if (!of_fd(at, base)) return 0;
        if (strlen(base) + strlen(name) + 2 > PATH_MAX) return 0;
        strcpy(path, base); strcat(path, "/"); strcat(path, name);
    }
    return under(path);
}

static struct { char path[PATH_MAX]; ino_t inode; } temporary[16];
static void record(char kind, const char *path, uint64_t number, const void *data, uint32_t size);

static void find_renamed(void) {
    for (int i = 0; i < 16; i++) {
        struct stat now;
        char from[PATH_MAX], to[PATH_MAX + 256];
        if (!temporary[i].inode || !lstat(temporary[i].path, &now)) continue;
        ino_t inode = temporary[i].inode;
        temporary[i].inode = 0;
        strcpy(from, temporary[i].path);
        size_t folder = strrchr(from, '/') - from;
        strcpy(to, from);
        to[folder] = 0;
        DIR *listed = opendir(to);
        for (struct dirent *entry; listed && (entry = readdir(listed));)
            if (entry->d_ino == inode) {
                sprintf(to + folder, "/%s", entry->d_name);
                record('r', from, 0, to, strlen(to));
                break;
            }
        if (listed) closedir(listed);
    }
}

static void look_after(int fd, const char *path) {
    struct stat made;
    if (strncmp(strrchr(path, '/'), "/.tmp", 5) || fstat(fd, &made)) return;
    for (int i = 0; i < 16; i++)
        if (!temporary[i].inode) {
            strcpy(temporary[i].path, path);
            temporary[i].inode = made.st_ino;
            return;
        }
    abort();
}

__attribute__((destructor)) static void end(void) { find_renamed(); }

static void record(char kind, const char *path, uint64_t number, const void *data, uint32_t size) {
    if (kind != 'r') find_renamed();
    uint32_t length = strlen(path);
    struct iovec parts[] = {{&kind, 1}, {&length, 4}, {(void *)path, length}, {&number, 8}, {&size, 4}, {(void *)data, size}};
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (real(out, parts, 6) < 0) abort();
}

static int opened(int at, const char *name, int flags, mode_t mode) {
    REAL(int, "openat", int, const char *, int, ...);
    char path[PATH_MAX];
    struct stat before;
    if (!(flags & (O_CREAT | O_TRUNC)) || !of_name(at, name, path)) return real(at, name, flags, mode);
    pthread_mutex_lock(&lock);
    if (fails()) return -1;
    int there = !stat(path, &before), fd = real(at, name, flags, mode);
    if (fd >= 0 && !there) {
        record('c', path, 0, "", 0);
        look_after(fd, path);
    } else if (fd >= 0 && flags & O_TRUNC && before.st_size) record('t', path, 0, "", 0);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPEN(name, head, at, path) \
    int name(head, int flags, ...) { \
        va_list more; va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        return opened(at, path, flags, mode); \
    }
#define COMMA ,
OPEN(open, const char *path, AT_FDCWD, path)
OPEN(open64, const char *path, AT_FDCWD, path)
OPEN(openat, int at COMMA const char *path, at, path)
OPEN(openat64, int at COMMA const char *path, at, path)

#define CHANGE(condition, call, success, ...) \
    char path[PATH_MAX]; \
    if (!(condition)) return call; \
    pthread_mutex_lock(&lock); \
    if (fails()) return -1; \
    __typeof__(call) result = call; \
    int kept = errno; \
    if (success) record(__VA_ARGS__); \
    pthread_mutex_unlock(&lock); \
    errno = kept; \
    return result

ssize_t write(int fd, const void *data, size_t size) {
    char path[PATH_MAX];
    if (!of_fd(fd, path)) return plain_write(fd, data, size);
    pthread_mutex_lock(&lock);
    if (fails()) return -1;
    int append = fcntl(fd, F_GETFL) & O_APPEND;
    off_t place = lseek(fd, 0, append ? SEEK_END : SEEK_CUR);
    ssize_t result = plain_write(fd, data, size);
    if (result > 0) record('w', path, place, data, result);
    pthread_mutex_unlock(&lock);
    return result;
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t place) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    CHANGE(of_fd(fd, path), real(fd, data, size, place), result > 0, 'w', path, place, data, result);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t place) { return pwrite(fd, data, size, place); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    char path[PATH_MAX];
    ssize_t total = 0, done = 0;
    if (!of_fd(fd, path)) return real(fd, parts, count);
    for (int i = 0; i < count; total += parts[i].iov_len, i++)
        if ((done = parts[i].iov_len ? write(fd, parts[i].iov_base, parts[i].iov_len) : 0) < 0) return done;
    return total;
}
int ftruncate(int fd, off_t size) {
    REAL(int, "ftruncate", int, off_t);
    CHANGE(of_fd(fd, path), real(fd, size), !result, 't', path, size, "", 0);
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }
int fsync(int fd) {
    REAL(int, "fsync", int);
    CHANGE(of_fd(fd, path), real(fd), !result, 's', path, 0, "", 0);
}
int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    CHANGE(of_fd(fd, path), real(fd), !result, 's', path, 0, "", 0);
}
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    char target[PATH_MAX];
    CHANGE(of_name(from, old, path) && of_name(to, new, target), real(from, old, to, new, flags), !result,
           'r', path, 0, target, strlen(target));
}
int renameat(int from, const char *old, int to, const char *new) { return renameat2(from, old, to, new, 0); }
int rename(const char *old, const char *new) { return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0); }
int unlinkat(int at, const char *name, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    CHANGE(of_name(at, name, path), real(at, name, flags), !result, flags & AT_REMOVEDIR ? 'd' : 'u', path, 0, "", 0);
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }
int mkdirat(int at, const char *name, mode_t mode) {
    REAL(int, "mkdirat", int, const char *, mode_t);
    CHANGE(of_name(at, name, path), real(at, name, mode), !result, 'm', path, 0, "", 0);
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }
