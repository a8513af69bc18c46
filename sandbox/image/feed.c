/* One long exec stream from the executor: `task feed`. Frames either way: u32 length of what follows, u8 type, 15 bytes
 * of action id, payload; numbers are big-endian.
 *   in   R request: start it and watch it from 0      W u64 offset: tell its state and watch it from there
 *        K: end it                                    D: its result is in the ledger, delete its bytes
 *   out  A state byte (r running, u unknown, n never) O u64 offset, bytes
 *        S "how number size left memory processes": it is over (run.c)  E text: refused
 * The feeder remembers nothing: everything is in STORE, so a new one after a lost stream knows as much. */
#include "task.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct watch {
  char id[ID + 1]; /* empty: free */
  uint64_t sent;
  int notice;
  int told, stop;
  time_t since;
};
static struct watch watches[16];
static int notices;
static int tmux = -1;
static char last[ID + 1]; /* the action whose window was asked for last */
/* In the place of the last action's, whose window stays until then; whoever looks at the session sees it. */
#define NEW_WINDOW "new-window -k -t task:1 -n %s /usr/lib/pocketcoder/task run %s\n"

static void send_frame(char type, const char *id, const void *a, size_t an, const void *b, size_t bn) {
  static unsigned char frame[5 + ID + 64 + 65536];
  uint32_t n = htobe32((uint32_t)(1 + ID + an + bn));
  memcpy(frame, &n, 4);
  frame[4] = (unsigned char)type;
  memcpy(frame + 5, id, ID);
  if (an) memcpy(frame + 5 + ID, a, an);
  if (bn) memcpy(frame + 5 + ID + an, b, bn);
  if (write_all(1, frame, 5 + ID + an + bn) < 0) exit(0); /* the executor has gone */
}

static void refuse(const char *id, const char *why) { send_frame('E', id, why, strlen(why), NULL, 0); }

/* The pid of the live runner, 0 when there is none (any more, or yet), -1 when the action was never here. */
static pid_t runner_of(const char *id) {
  struct flock whole = {.l_type = F_WRLCK};
  int fd = open_of(id, "request", O_RDWR);
  if (fd < 0) return -1;
  int asked = fcntl(fd, F_GETLK, &whole);
  close(fd);
  return asked == 0 && whole.l_type != F_UNLCK ? whole.l_pid : 0;
}

static int read_status(const char *id, char *line, size_t size) {
  int fd = open_of(id, "status", O_RDONLY);
  if (fd < 0) return 0;
  ssize_t n = read(fd, line, size);
  close(fd);
  return n > 0 ? (int)n : 0;
}

static void forget(struct watch *w) {
  if (w->notice >= 0) inotify_rm_watch(notices, w->notice);
  w->id[0] = 0;
}

static void send_output(struct watch *w) {
  static char buffer[65536];
  int fd = open_of(w->id, "out", O_RDONLY);
  ssize_t n;
  while (fd >= 0 && (n = pread(fd, buffer, sizeof buffer, (off_t)w->sent)) > 0) {
    uint64_t offset = htobe64(w->sent);
    send_frame('O', w->id, &offset, 8, buffer, (size_t)n);
    w->sent += (uint64_t)n;
  }
  if (fd >= 0) close(fd);
}

/* Sends what is new. Whether there is a runner is asked before the status is read: a runner that ends between the two
 * has left its status by then. And the status is read before the output: what it covers is in the file by then. */
static void serve(struct watch *w) {
  char line[128];
  pid_t runner = runner_of(w->id);
  int n = read_status(w->id, line, sizeof line);
  if (runner > 0 && !n && !w->told) {
    send_frame('A', w->id, "r", 1, NULL, 0);
    w->told = 1;
  }
  if (runner > 0 && w->stop) kill(runner, SIGTERM);
  send_output(w);
  if (n > 0) {
    send_frame('S', w->id, line, (size_t)n, NULL, 0);
    forget(w);
  } else if (runner < 0 || (runner == 0 && (w->told || time(NULL) > w->since + 5))) {
    send_frame('A', w->id, runner < 0 ? "n" : "u", 1, NULL, 0); /* a runner that just starts gets five seconds */
    forget(w);
  }
}

static struct watch *watch_of(const char *id) {
  for (size_t i = 0; i < sizeof watches / sizeof *watches; i++)
    if (strcmp(watches[i].id, id) == 0) return watches + i;
  return NULL;
}

static void watch(const char *id, uint64_t from) {
  char path[64];
  struct watch *w = watch_of(id);
  if (w) forget(w);
  else if (!(w = watch_of(""))) return refuse(id, "too many actions are watched");
  path_of(path, sizeof path, id, "");
  *w = (struct watch){.sent = from, .since = time(NULL)};
  memcpy(w->id, id, ID + 1);
  w->notice = inotify_add_watch(notices, path, IN_MODIFY | IN_MOVED_TO | IN_CREATE);
  serve(w);
}

/* A tmux client that takes commands on its stdin: starting one for each action would cost more than bash itself. It
 * never carries output. */
static void open_tmux(void) {
  int ends[2];
  if (tmux >= 0) close(tmux);
  tmux = -1;
  if (pipe2(ends, O_CLOEXEC) < 0) return;
  if (fork() == 0) {
    int nothing = open("/dev/null", O_WRONLY); /* it must not write into the frames */
    dup2(ends[0], 0);
    dup2(nothing, 1);
    dup2(nothing, 2);
    execl("/usr/bin/tmux", "tmux", "-S", TMUX_SOCKET, "-C", "attach-session", "-t", "task", "-f",
          "no-output,ignore-size", (char *)0);
    _exit(127);
  }
  close(ends[0]);
  tmux = ends[1];
}

/* Its window hangs up on what it runs when the next one takes its place, and a runner is deaf to that from before its lock on: so
 * the next one waits, a second at most, for the last to be there. */
static void await_last(void) {
  char line[128];
  for (int tries = 0; last[0] && runner_of(last) == 0 && !read_status(last, line, sizeof line) && tries < 1000; tries++)
    usleep(1000);
}

/* The directory is the latch: whoever makes it starts the action, and nobody else ever does. */
static void start(const char *id, const unsigned char *request, size_t n) {
  char path[64];
  path_of(path, sizeof path, id, "");
  if (mkdir(path, 0700) < 0) return refuse(id, errno == EEXIST ? "already started" : strerror(errno));
  int fd = open_of(id, "request", O_WRONLY | O_CREAT | O_EXCL);
  if (fd < 0 || write_all(fd, request, n) < 0 || close(fd) < 0) return refuse(id, strerror(errno));
  await_last();
  memcpy(last, id, ID + 1);
  /* The client may have gone since the last action; a line that reached no client can be sent again. */
  if (dprintf(tmux, NEW_WINDOW, id, id) < 0 && (open_tmux(), dprintf(tmux, NEW_WINDOW, id, id) < 0))
    return refuse(id, "tmux took no window");
  watch(id, 0);
}

static void drop(const char *id) {
  char path[64], line[128];
  if (!read_status(id, line, sizeof line)) return; /* only what is over; the directory stays, as the latch */
  path_of(path, sizeof path, id, "out");
  unlink(path);
  path_of(path, sizeof path, id, "request");
  if (truncate(path, 0) < 0) refuse(id, strerror(errno));
}

static int take_frame(void) {
  unsigned char head[5 + ID];
  char id[ID + 1] = "", path[64];
  if (read_all(0, head, sizeof head) < 0) return -1;
  uint32_t n = u32(head);
  if (n < 1 + ID || n > MOST_FRAME) return -1;
  memcpy(id, head + 5, ID);
  n -= 1 + ID;
  unsigned char *payload = malloc(n + 1);
  if (!payload || read_all(0, payload, n) < 0 || path_of(path, sizeof path, id, "") < 0) return -1;
  uint64_t offset = 0;
  if (head[4] == 'W' && n == 8) memcpy(&offset, payload, 8);
  struct watch *w = watch_of(id);
  if (head[4] == 'R') start(id, payload, n);
  else if (head[4] == 'W') watch(id, be64toh(offset));
  else if (head[4] == 'D') drop(id);
  else if (head[4] == 'K' && w) {
    w->stop = 1;
    serve(w);
  }
  free(payload);
  return 0;
}

int feed(void) {
  notices = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  umask(077);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);
  /* In a container that was only just started a window asked for now would be lost, and its action with it. */
  for (int tries = 0; access(READY, F_OK) < 0; tries++) {
    if (tries == 2000) return 1;
    usleep(5000);
  }
  open_tmux();
  for (;;) {
    char events[4096];
    int active = 0;
    for (size_t i = 0; i < sizeof watches / sizeof *watches; i++) active |= watches[i].id[0];
    /* Notices make it quick; the 20 ms are for kernels that give none. */
    struct pollfd ready[2] = {{0, POLLIN, 0}, {notices, POLLIN, 0}};
    poll(ready, 2, active ? 20 : -1);
    while (read(notices, events, sizeof events) > 0) continue;
    if (ready[0].revents && take_frame() < 0) return 0;
    for (size_t i = 0; i < sizeof watches / sizeof *watches; i++)
      if (watches[i].id[0]) serve(watches + i);
  }
}
