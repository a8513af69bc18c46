#include "task.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int path_of(char *buffer, size_t size, const char *id, const char *name) {
  if (strlen(id) != ID || strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789") != ID) return -1;
  return snprintf(buffer, size, STORE "/%s%s%s", id, *name ? "/" : "", name) < (int)size ? 0 : -1;
}

int open_of(const char *id, const char *name, int flags) {
  char path[64];
  return path_of(path, sizeof path, id, name) < 0 ? -1 : open(path, flags | O_CLOEXEC, 0600);
}

int read_all(int fd, void *buffer, size_t n) {
  for (char *p = buffer; n > 0;) {
    ssize_t got = read(fd, p, n);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return -1;
    p += got;
    n -= (size_t)got;
  }
  return 0;
}

int write_all(int fd, const void *bytes, size_t n) {
  for (const char *p = bytes; n > 0;) {
    ssize_t put = write(fd, p, n);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return -1;
    p += put;
    n -= (size_t)put;
  }
  return 0;
}

uint32_t u32(const unsigned char *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void quoted(FILE *file, const char *name, const char *value) {
  fprintf(file, "\t%s = \"", name);
  for (; value && *value; value++) fprintf(file, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
  fprintf(file, "\"\n");
}

/* The owner's settings as git's system configuration (/etc/gitconfig leads here): whatever a repository says goes before it. */
static void write_identity(void) {
  FILE *file = fopen("/run/task/gitconfig", "we");
  if (!file) return;
  fprintf(file, "[user]\n");
  quoted(file, "name", getenv("GIT_NAME"));
  quoted(file, "email", getenv("GIT_EMAIL"));
  fclose(file);
}

/* Starts the task's tmux session and reaps what is left to the first process, until tmux itself is gone, or so many seconds are: with the
 * first process the kernel ends every other, whoever has gone meanwhile that should have. 0 for no end. */
int init(unsigned seconds) {
  signal(SIGALRM, _exit); /* a first process hears of no signal that it does not handle */
  alarm(seconds);
  umask(022);
  if (refuse_preallocation()) return 1;
  mkdir("/run/task", 0711);
  mkdir("/run/tmux", 0700);
  write_identity();
  pid_t tmux = fork();
  if (tmux == 0) {
    /* The clipboard and the window's name are not the output's to set. What an action showed stands until the next. */
    execl("/usr/bin/tmux", "tmux", "-f", "/dev/null", "-S", TMUX_SOCKET, "new-session", "-d", "-s", "task", "-n",
          "task", "-x", "200", "-y", "50", "exec sleep infinity", ";", "set", "-g", "set-clipboard", "off", ";", "set",
          "-g", "allow-rename", "off", ";", "set", "-g", "status", "off", ";", "set", "-g", "remain-on-exit", "on", ";",
          "set", "-gq", "remain-on-exit-format", "", (char *)0);
    _exit(127);
  }
  int status = 0;
  waitpid(tmux, &status, 0);
  if (status != 0) return 1;
  int ready = open(READY, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (ready < 0) return 1;
  close(ready);
  long long least = room_to_leave();
  for (pid_t gone; (gone = waitpid(-1, NULL, seconds ? WNOHANG : 0)) >= 0 || errno == EINTR;)
    if (gone == 0 && room_now() < least) return NO_ROOM; /* an action's own runner looks, a terminal has none */
    else if (gone == 0) poll(NULL, 0, LOOK);
  return 1;
}

int main(int count, char **words) {
  if (count == 2 && strcmp(words[1], "init") == 0) return init(0);
  if (count == 3 && strcmp(words[1], "init") == 0) return init((unsigned)strtoul(words[2], NULL, 10));
  if (count == 2 && strcmp(words[1], "feed") == 0) return feed();
  if (count == 3 && strcmp(words[1], "run") == 0) return run(words[2]);
  fprintf(stderr, "usage: task init [SECONDS] | feed | run ID\n");
  return 64;
}
