/*
 * A preload library that makes a power cut testable. A kill -9 proves nothing about fsync: the page
 * cache survives it. This library writes down, before every write to a file below
 * PRISM_POWER_CUT_DIR, the bytes that the write replaces, in a side file of the process
 * (PRISM_POWER_CUT_LOG.<pid>). An fsync or fdatasync makes what was written before it began durable.
 * After all processes are killed, a power cut is played by putting back, newest first, what was
 * never synced (see ../src/power-cut.ts). Writes through a descriptor with O_DSYNC or O_SYNC are
 * durable at once. PRISM_POWER_CUT_SYNC_MS makes every sync take that much longer, as on a slow disk: more
 * moments of a run are then between a write and its sync.
 *
 * Side file: records of { u32 kind, u32 path length, u64 offset, u64 length, u64 old size, path, old bytes }.
 * kind 1: write; kind 2: sync, where offset is the side file's end when the sync began; kind 3: rename,
 * where the old bytes are the new path. A rename itself is taken for durable, as if its folder were
 * synced: what it brings to light is the file that was moved into place before its content was synced.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PATH_LENGTH 4096
#define FILES 256

struct header {
  uint32_t kind;
  uint32_t path_length;
  uint64_t offset;
  uint64_t length;
  uint64_t old_size;
};

struct tracked {
  char path[PATH_LENGTH];
  uint64_t last_undo;
  uint64_t synced;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *directory;
static size_t directory_length;
static long sync_ms;
static int side = -1;
static pid_t side_owner;
static uint64_t side_end;
static struct tracked files[FILES];
static int file_count;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static ssize_t (*real_pwritev64)(int, const struct iovec *, int, off64_t);
static int (*real_ftruncate64)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);

__attribute__((constructor)) static void start(void) {
  real_write = dlsym(RTLD_NEXT, "write");
  real_writev = dlsym(RTLD_NEXT, "writev");
  real_pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
  real_pwritev64 = dlsym(RTLD_NEXT, "pwritev64");
  real_ftruncate64 = dlsym(RTLD_NEXT, "ftruncate64");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_rename = dlsym(RTLD_NEXT, "rename");
  directory = getenv("PRISM_POWER_CUT_DIR");
  directory_length = directory == NULL ? 0 : strlen(directory);
  const char *slow = getenv("PRISM_POWER_CUT_SYNC_MS");
  sync_ms = slow == NULL ? 0 : atol(slow);
}

/* A forked child has its own side file: it must not write into its parent's. */
static int side_file(void) {
  if (side >= 0 && side_owner == getpid()) return side;
  char path[PATH_LENGTH];
  const char *prefix = getenv("PRISM_POWER_CUT_LOG");
  if (prefix == NULL) return -1;
  snprintf(path, sizeof path, "%s.%d", prefix, (int)getpid());
  side = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
  side_owner = getpid();
  side_end = 0;
  file_count = 0;
  return side;
}

/* The descriptor's path when it is a regular file of ours that is not synced at each write; else 0. */
static size_t path_of(int fd, char *path, int also_synchronous) {
  if (directory_length == 0) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_LENGTH - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  if (strncmp(path, directory, directory_length) != 0) return 0;
  if (!also_synchronous && (fcntl(fd, F_GETFL) & O_DSYNC) != 0) return 0;
  struct stat64 status;
  if (fstat64(fd, &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  return (size_t)length;
}

static struct tracked *track(const char *path) {
  for (int i = 0; i < file_count; i += 1) {
    if (strcmp(files[i].path, path) == 0) return &files[i];
  }
  if (file_count == FILES) return NULL;
  struct tracked *file = &files[file_count];
  file_count += 1;
  snprintf(file->path, PATH_LENGTH, "%s", path);
  file->last_undo = 0;
  file->synced = 0;
  return file;
}

static void append(const struct header *header, const char *path, const void *bytes) {
  struct iovec parts[3] = {
      {.iov_base = (void *)header, .iov_len = sizeof *header},
      {.iov_base = (void *)path, .iov_len = header->path_length},
      {.iov_base = (void *)bytes, .iov_len = bytes == NULL ? 0 : header->length},
  };
  ssize_t done = real_pwritev64(side, parts, 3, (off64_t)side_end);
  if (done > 0) side_end += (uint64_t)done;
}

/* Remembers what a write of `length` bytes at `offset` (-1: the current position) is about to replace. */
static void remember(int fd, off64_t offset, size_t length) {
  char path[PATH_LENGTH];
  size_t path_length = path_of(fd, path, 0);
  if (path_length == 0) return;
  int saved = errno;
  struct stat64 status;
  if (fstat64(fd, &status) != 0) return;
  if (offset < 0) offset = (fcntl(fd, F_GETFL) & O_APPEND) != 0 ? status.st_size : lseek64(fd, 0, SEEK_CUR);
  size_t old_length = offset >= status.st_size ? 0 : (size_t)(status.st_size - offset);
  if (old_length > length) old_length = length;
  void *old = old_length == 0 ? NULL : malloc(old_length);
  if (old_length > 0) {
    /* The descriptor may be write-only: read through a second one. */
    int reader = open64(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = reader < 0 ? -1 : pread64(reader, old, old_length, offset);
    if (reader >= 0) close(reader);
    if (got < 0) got = 0;
    old_length = (size_t)got;
  }
  pthread_mutex_lock(&lock);
  if (side_file() >= 0) {
    struct tracked *file = track(path);
    struct header header = {1, (uint32_t)path_length, (uint64_t)offset, old_length, (uint64_t)status.st_size};
    append(&header, path, old);
    if (file != NULL) file->last_undo = side_end;
  }
  pthread_mutex_unlock(&lock);
  free(old);
  errno = saved;
}

static uint64_t sync_begins(int fd, char *path, size_t *path_length) {
  *path_length = path_of(fd, path, 1);
  if (*path_length == 0) return 0;
  pthread_mutex_lock(&lock);
  uint64_t end = side_file() < 0 ? 0 : side_end;
  pthread_mutex_unlock(&lock);
  if (sync_ms > 0) {
    struct timespec pause = {sync_ms / 1000, (sync_ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
  }
  return end;
}

/* What was written before the sync began is durable; when that is everything, the side file starts afresh. */
static void sync_ended(const char *path, size_t path_length, uint64_t began) {
  if (path_length == 0) return;
  int saved = errno;
  pthread_mutex_lock(&lock);
  if (side_file() >= 0) {
    struct tracked *file = track(path);
    if (file != NULL && began > file->synced) file->synced = began;
    struct header header = {2, (uint32_t)path_length, began, 0, 0};
    append(&header, path, NULL);
    int clean = 1;
    for (int i = 0; i < file_count; i += 1) {
      if (files[i].last_undo > files[i].synced) clean = 0;
    }
    if (clean && file_count < FILES) {
      if (real_ftruncate64(side, 0) == 0) side_end = 0;
      file_count = 0;
    }
  }
  pthread_mutex_unlock(&lock);
  errno = saved;
}

static size_t total(const struct iovec *parts, int count) {
  size_t sum = 0;
  for (int i = 0; i < count; i += 1) sum += parts[i].iov_len;
  return sum;
}

ssize_t write(int fd, const void *bytes, size_t length) {
  remember(fd, -1, length);
  return real_write(fd, bytes, length);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  remember(fd, -1, total(parts, count));
  return real_writev(fd, parts, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  remember(fd, offset, length);
  return real_pwrite64(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  remember(fd, offset, total(parts, count));
  return real_pwritev64(fd, parts, count, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  return pwritev64(fd, parts, count, offset);
}

int ftruncate64(int fd, off64_t size) {
  struct stat64 status;
  if (fstat64(fd, &status) == 0 && size < status.st_size) remember(fd, size, (size_t)(status.st_size - size));
  return real_ftruncate64(fd, size);
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int fsync(int fd) {
  char path[PATH_LENGTH];
  size_t path_length;
  uint64_t began = sync_begins(fd, path, &path_length);
  int result = real_fsync(fd);
  if (result == 0) sync_ended(path, path_length, began);
  return result;
}

int fdatasync(int fd) {
  char path[PATH_LENGTH];
  size_t path_length;
  uint64_t began = sync_begins(fd, path, &path_length);
  int result = real_fdatasync(fd);
  if (result == 0) sync_ended(path, path_length, began);
  return result;
}

/* Absolute paths alone: those of descriptors are absolute too. */
int rename(const char *from, const char *to) {
  int result = real_rename(from, to);
  if (result != 0 || directory_length == 0 || strncmp(from, directory, directory_length) != 0) return result;
  int saved = errno;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < file_count; i += 1) {
    if (strcmp(files[i].path, to) == 0) files[i].last_undo = 0;
  }
  for (int i = 0; i < file_count; i += 1) {
    if (strcmp(files[i].path, from) == 0) snprintf(files[i].path, PATH_LENGTH, "%s", to);
  }
  if (file_count > 0 && side_file() >= 0) {
    struct header header = {3, (uint32_t)strlen(from), 0, strlen(to), 0};
    append(&header, from, to);
  }
  pthread_mutex_unlock(&lock);
  errno = saved;
  return result;
}
