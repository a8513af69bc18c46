/* Runs one action in its tmux window: `task run ID`. The request (as the feeder stored it): program 'b' (bash) or 'f'
 * (file.pl), timeout in seconds, cwd, environment, input. The output goes through a pipe, not straight to the file: a
 * script that held the file could truncate it. */
#include "task.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct request {
  char program;
  uint32_t timeout;
  const char *cwd;
  char *environment[256];
  const unsigned char *input;
  size_t size;
};

/* The layout is script.ts's: u8 program, u32 timeout, u32 n and n NUL-ended strings (cwd first, then K=V), input. */
static int parse(unsigned char *bytes, size_t n, struct request *r) {
  if (n < 9) return -1;
  r->program = (char)bytes[0];
  r->timeout = u32(bytes + 1);
  uint32_t strings = u32(bytes + 5);
  size_t at = 9;
  if (strings < 1 || strings >= 256) return -1;
  for (uint32_t i = 0; i < strings; i++) {
    unsigned char *end = memchr(bytes + at, 0, n - at);
    if (!end) return -1;
    if (i == 0) r->cwd = (char *)bytes + at;
    else r->environment[i - 1] = (char *)bytes + at;
    at = (size_t)(end - bytes) + 1;
  }
  r->environment[strings - 1] = NULL;
  r->input = bytes + at;
  r->size = n - at;
  return r->program == 'b' || r->program == 'f' ? 0 : -1;
}

static void become_script(struct request *r, int output, const sigset_t *mask) {
  int adjust = open("/proc/self/oom_score_adj", O_WRONLY); /* the script goes first when memory runs out */
  if (adjust < 0 || write(adjust, "1000", 4) != 4) _exit(126);
  int nothing = open("/dev/null", O_RDONLY);
  if (nothing < 0 || setsid() < 0 || dup2(nothing, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) _exit(126);
  for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);
  sigprocmask(SIG_SETMASK, mask, NULL);
  close_range(3, ~0U, 0);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || setgroups(0, NULL) || setresgid(AGENT, AGENT, AGENT) ||
      setresuid(AGENT, AGENT, AGENT))
    _exit(126);
  if (chdir(r->cwd) < 0) {
    dprintf(2, "cannot enter %s: %s; nothing was run\n", r->cwd, strerror(errno));
    _exit(126);
  }
  if (r->program == 'b') execle("/bin/bash", "bash", INPUT, (char *)0, r->environment);
  else execle("/usr/bin/perl", "perl", "/usr/lib/pocketcoder/file.pl", INPUT, (char *)0, r->environment);
  _exit(127);
}

/* What the kernel has counted for this container under a name, by cgroup v2 or v1; 0 where it does not say. */
static long counted(const char *second, const char *first, const char *name) {
  char text[1024];
  int fd = open(second, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fd = open(first, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[n > 0 ? n : 0] = 0;
  for (char *rest, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
    if (strncmp(line, name, strlen(name)) == 0) return atol(line + strlen(name));
  return 0;
}

static long starved_of_memory(void) {
  return counted("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control", "oom_kill ");
}

static long starved_of_processes(void) {
  return counted("/sys/fs/cgroup/pids.events", "/sys/fs/cgroup/pids/pids.events", "max ");
}

/* Moves what is in the pipe to the file and, as far as it takes it without waiting, to the window. */
static off_t drain(int from, int file, off_t written, int *full) {
  static char buffer[65536];
  ssize_t n;
  while (written <= MOST_OUTPUT && (n = read(from, buffer, sizeof buffer)) > 0) {
    if (write_all(file, buffer, (size_t)n) < 0) *full = 1; /* a full disk ends the action, too */
    if (*full) break;
    ssize_t shown = write(1, buffer, (size_t)n);
    (void)shown;
    written += n;
  }
  return written;
}

/* `extra`: how many processes were left and ended, how often memory ran out, how often a process was refused. */
static int publish(const char *id, const char *how, int number, off_t size, const long extra[3]) {
  char temporary[64], final[64], line[128];
  path_of(temporary, sizeof temporary, id, "status.tmp");
  path_of(final, sizeof final, id, "status");
  int n = snprintf(line, sizeof line, "%s %d %lld %ld %ld %ld", how, number, (long long)size, extra[0], extra[1], extra[2]);
  int fd = open_of(id, "status.tmp", O_WRONLY | O_CREAT | O_TRUNC);
  if (fd < 0 || write_all(fd, line, (size_t)n) < 0 || fsync(fd) < 0 || close(fd) < 0) return 1;
  if (rename(temporary, final) < 0) return 1;
  fd = open_of(id, "", O_RDONLY);
  return fd < 0 || fsync(fd) < 0;
}

/* Reads the request and locks it: the lock is what tells the feeder that this action has a live runner. */
static unsigned char *take_request(const char *id, size_t *size) {
  struct stat about;
  struct flock whole = {.l_type = F_WRLCK};
  int fd = open_of(id, "request", O_RDWR);
  if (fd < 0 || fcntl(fd, F_SETLK, &whole) < 0 || fstat(fd, &about) < 0) return NULL;
  unsigned char *bytes = malloc((size_t)about.st_size + 1);
  *size = (size_t)about.st_size;
  return bytes && read_all(fd, bytes, *size) == 0 ? bytes : NULL; /* fd stays open: closing it would unlock */
}

static long long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Waits until no other action runs in this container, since the end of one kills everything of the agent's. Returns 0,
 * or 1 when this one was stopped meanwhile. */
static int await_turn(const sigset_t *signals) {
  struct flock whole = {.l_type = F_WRLCK};
  struct timespec pause = {0, 10000000};
  int fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* held, with the lock, until this process ends */
  while (fd >= 0 && fcntl(fd, F_SETLK, &whole) < 0)
    if (sigtimedwait(signals, NULL, &pause) == SIGTERM) return 1;
  return fd < 0 ? -1 : 0;
}

int run(const char *id) {
  struct request r = {0};
  size_t size = 0;
  umask(022);
  signal(SIGHUP, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  /* Before the lock shows the feeder whom to stop: a stop must never end this process without a status. */
  sigset_t mine, before;
  sigemptyset(&mine);
  sigaddset(&mine, SIGCHLD);
  sigaddset(&mine, SIGTERM);
  sigprocmask(SIG_BLOCK, &mine, &before);
  unsigned char *bytes = take_request(id, &size);
  if (!bytes) return 1;
  int out = open_of(id, "out", O_WRONLY | O_APPEND | O_CREAT | O_EXCL);
  if (out < 0) return 1; /* started before: never again */
  int turn = await_turn(&mine);
  long extra[3] = {0};
  if (turn != 0) return publish(id, turn < 0 ? "broken" : "stopped", 0, 0, extra);
  unlink(INPUT);
  int input = open(INPUT, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (make_fresh() < 0 || parse(bytes, size, &r) < 0 || input < 0 || write_all(input, r.input, r.size) < 0 || close(input) < 0)
    return publish(id, "broken", 0, 0, extra);
  int signals = signalfd(-1, &mine, SFD_NONBLOCK | SFD_CLOEXEC);
  int ends[2];
  setfsuid(AGENT); /* the pipe is the script's, so that it may open /dev/stdout */
  int made = pipe2(ends, O_CLOEXEC);
  setfsuid(0);
  int killer = make_killer();
  prctl(PR_SET_CHILD_SUBREAPER, 1); /* daemons of the script become children of this process */
  if (made < 0 || killer < 0 || signals < 0) return publish(id, "broken", 0, 0, extra);
  long memory = starved_of_memory(), processes = starved_of_processes();
  long long deadline = now_ms() + r.timeout * 1000LL;
  pid_t script = fork();
  if (script == 0) become_script(&r, ends[1], &before);
  close(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK);

  const char *why = script < 0 ? "broken" : NULL;
  int status = 0, ended = 0, open_end = 1, full = 0;
  off_t written = 0;
  long long least = room_to_leave();
  while (!ended && !why) {
    struct pollfd ready[2] = {{signals, POLLIN, 0}, {open_end ? ends[0] : -1, POLLIN, 0}};
    long long left = deadline - now_ms();
    if (left <= 0) why = "timeout";
    else poll(ready, 2, left > LOOK ? LOOK : (int)left);
    written = drain(ends[0], out, written, &full);
    if (written > MOST_OUTPUT) why = "flood";
    if (full) why = "full";
    if (ready[1].revents & POLLHUP) open_end = 0; /* the script closed its output and runs on */
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) > 0)
      if (info.ssi_signo == SIGTERM) why = "stopped";
    int s;
    for (pid_t p; (p = waitpid(-1, &s, WNOHANG)) > 0;)
      if (p == script) ended = 1, status = s;
    if (!ended && room_now() < least + 2 * written) why = "room"; /* the ledger takes it in, then keeps it: two more of it */
  }
  char byte;
  int s;
  write_all(killer, "", 1);
  for (pid_t p; (p = waitpid(-1, &s, 0)) > 0 || errno == EINTR;)
    if (p == script) status = s;
    else if (p > 0 && WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL) extra[0]++;
  shutdown(killer, SHUT_WR);
  while (read(killer, &byte, 1) > 0) continue; /* gone before the next action can begin */
  written = drain(ends[0], out, written, &full);
  unlink(INPUT);
  fsync(out);
  struct stat about;
  if (fstat(out, &about) == 0) written = about.st_size; /* a full disk may have taken a part of the last piece */
  if (!why) why = WIFSIGNALED(status) ? "signal" : "exit";
  extra[1] = starved_of_memory() - memory;
  extra[2] = starved_of_processes() - processes;
  int published = publish(id, why, WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), written, extra);
  make_fresh(); /* now already: it is memory of this container's, which the next runner needs to begin */
  return published;
}
