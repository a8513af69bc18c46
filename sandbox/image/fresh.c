/* What scripts may write to besides the workspace is empty when one begins: no settings, links or programs that an earlier one left
 * have a part in what another card lets run. */
#include "task.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What stays in the home: caches by the names that their programs give them, which look for no settings there. What was fetched under
 * a lease of the network is of use once that is over. */
static const char *const caches[] = {".cache", ".npm/_cacache", ".cargo/registry", ".cargo/git", "go/pkg/mod"};

static DIR *listed(int at, const char *name) {
  int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return fd < 0 ? NULL : fdopendir(fd);
}

static struct dirent *next_of(DIR *folder) {
  struct dirent *e = readdir(folder);
  return e && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) ? next_of(folder) : e;
}

/* Whether the name is gone from there. A directory that is not empty is moved up where there is an `up`, to a name that is free: so no
 * depth of them needs more than two open at once. */
static int take_away(int at, const char *name, int up) {
  static unsigned long moved;
  char above[32];
  if (unlinkat(at, name, 0) == 0 || unlinkat(at, name, AT_REMOVEDIR) == 0) return 1;
  if (fchmodat(at, name, 0700, 0) < 0 || up < 0) return 0; /* it is a directory, no link, for those are gone */
  do {
    snprintf(above, sizeof above, ".%lu", moved++);
    if (renameat(at, name, up, above) == 0) return 1;
  } while (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR);
  return 0;
}

/* `except` is a name that stays, NULL for none. 0 once nothing else is there. */
static int empty(const char *path, const char *except) {
  for (;;) {
    int there = 0, gone = 0;
    DIR *top = listed(AT_FDCWD, path);
    if (!top) return -1;
    for (struct dirent *e; (e = next_of(top));) {
      if (except && strcmp(e->d_name, except) == 0) continue;
      there++;
      if (take_away(dirfd(top), e->d_name, -1) && ++gone) continue;
      DIR *inside = listed(dirfd(top), e->d_name);
      for (struct dirent *f; inside && (f = next_of(inside));) gone += take_away(dirfd(inside), f->d_name, dirfd(top));
      if (inside) closedir(inside);
      gone += take_away(dirfd(top), e->d_name, -1);
    }
    closedir(top);
    if (!there || !gone) return there ? -1 : 0;
  }
}

/* Moves the caches from the home into a directory of it, or back. */
static void move_caches(int home, const char *held, int back) {
  for (size_t i = 0; i < sizeof caches / sizeof *caches; i++) {
    struct stat about;
    char here[64], above[64];
    snprintf(here, sizeof here, "%s/%zu", held, i);
    const char *from = back ? here : caches[i], *to = back ? caches[i] : here;
    if (fstatat(home, from, &about, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(about.st_mode)) continue;
    for (const char *end = to; back && (end = strchr(end, '/')); end++) {
      snprintf(above, sizeof above, "%.*s", (int)(end - to), to);
      mkdirat(home, above, 0755);
    }
    renameat(home, from, home, to);
  }
}

int make_fresh(void) {
  char held[32];
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  snprintf(held, sizeof held, ".%lld%09ld", (long long)t.tv_sec, t.tv_nsec);
  setfsuid(AGENT); /* root's capabilities do not reach into what is the agent's alone */
  chmod(HOME, 0700);
  int home = open(HOME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  mkdirat(home, held, 0700); /* where that fails, no cache is moved, and all go */
  move_caches(home, held, 0);
  int failed = empty(HOME, held) | empty("/tmp", NULL) | empty("/dev/shm", NULL);
  move_caches(home, held, 1);
  unlinkat(home, held, AT_REMOVEDIR);
  close(home);
  setfsuid(0);
  return failed;
}
