/*
 * Writes files in ways whose outcome after a power cut is known, then waits to be killed. Run with the
 * preload library; argument: a directory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static char path[4096];

static const char *in(const char *directory, const char *name) {
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return path;
}

static int create(const char *directory, const char *name, int flags) {
  return open(in(directory, name), O_CREAT | O_RDWR | flags, 0600);
}

int main(int count, char **arguments) {
  if (count != 2) return 2;
  const char *directory = arguments[1];

  int synced = create(directory, "synced", 0);
  if (write(synced, "kept", 4) != 4 || fsync(synced) != 0) return 1;

  int unsynced = create(directory, "unsynced", 0);
  if (write(unsynced, "gone", 4) != 4) return 1;

  int partly = create(directory, "partly", 0);
  if (write(partly, "0123456789", 10) != 10 || fdatasync(partly) != 0) return 1;
  if (pwrite(partly, "XX", 2, 2) != 2 || pwrite(partly, "YYYY", 4, 8) != 4) return 1;
  if (ftruncate(partly, 6) != 0) return 1;

  int durable = create(directory, "durable", O_DSYNC);
  if (write(durable, "kept", 4) != 4) return 1;

  int vector = create(directory, "vector", O_APPEND);
  struct iovec parts[2] = {{.iov_base = "ab", .iov_len = 2}, {.iov_base = "cd", .iov_len = 2}};
  if (writev(vector, parts, 2) != 4 || fsync(vector) != 0 || writev(vector, parts, 2) != 4) return 1;

  char to[4096];
  int renamed = create(directory, "renamed.new", 0);
  if (write(renamed, "gone", 4) != 4) return 1;
  snprintf(to, sizeof to, "%s/renamed", directory);
  if (rename(in(directory, "renamed.new"), to) != 0) return 1;

  int safely = create(directory, "safely.new", 0);
  if (write(safely, "kept", 4) != 4 || fsync(safely) != 0) return 1;
  snprintf(to, sizeof to, "%s/safely", directory);
  if (rename(in(directory, "safely.new"), to) != 0) return 1;

  puts("ready");
  fflush(stdout);
  pause();
  return 0;
}
