/*
 * A preload library that makes a disk sick on demand. PRISM_SICK_DISK names a file of 256 bytes:
 * { i32 how, i32 ms, char where[248] }. As long as `how` is not 0, writes and syncs of files whose path
 * contains `where` are late by `ms` (1), or fail with EIO (2), EROFS (3) or ENOSPC (4).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct sickness {
  int32_t how;
  int32_t ms;
  char where[248];
};

enum { WELL = 0, SLOW = 1, INPUT_OUTPUT = 2, READ_ONLY = 3, NO_SPACE = 4 };

static volatile struct sickness *sickness;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static ssize_t (*real_pwritev64)(int, const struct iovec *, int, off64_t);
static int (*real_ftruncate64)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void start(void) {
  real_write = dlsym(RTLD_NEXT, "write");
  real_writev = dlsym(RTLD_NEXT, "writev");
  real_pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
  real_pwritev64 = dlsym(RTLD_NEXT, "pwritev64");
  real_ftruncate64 = dlsym(RTLD_NEXT, "ftruncate64");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  const char *path = getenv("PRISM_SICK_DISK");
  int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof(struct sickness), PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) sickness = mapped;
}

/* 0, or -1 with errno set: the call fails. Late calls are late before they begin. */
static int suffer(int fd, int is_sync) {
  if (sickness == NULL || sickness->how == WELL) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  if (strstr(path, (const char *)sickness->where) == NULL) return 0;
  switch (sickness->how) {
    case SLOW:
      if (is_sync) {
        struct timespec wait = {sickness->ms / 1000, (sickness->ms % 1000) * 1000000L};
        nanosleep(&wait, NULL);
      }
      return 0;
    case INPUT_OUTPUT:
      errno = EIO;
      return -1;
    case READ_ONLY:
      errno = EROFS;
      return -1;
    case NO_SPACE:
      errno = ENOSPC;
      return -1;
    default:
      return 0;
  }
}

ssize_t write(int fd, const void *bytes, size_t length) {
  return suffer(fd, 0) ? -1 : real_write(fd, bytes, length);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  return suffer(fd, 0) ? -1 : real_writev(fd, parts, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  return suffer(fd, 0) ? -1 : real_pwrite64(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  return suffer(fd, 0) ? -1 : real_pwrite64(fd, bytes, length, offset);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  return suffer(fd, 0) ? -1 : real_pwritev64(fd, parts, count, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  return suffer(fd, 0) ? -1 : real_pwritev64(fd, parts, count, offset);
}

int ftruncate64(int fd, off64_t length) { return suffer(fd, 0) ? -1 : real_ftruncate64(fd, length); }
int ftruncate(int fd, off_t length) { return suffer(fd, 0) ? -1 : real_ftruncate64(fd, length); }
int fsync(int fd) { return suffer(fd, 1) ? -1 : real_fsync(fd); }
int fdatasync(int fd) { return suffer(fd, 1) ? -1 : real_fdatasync(fd); }
