/* The process that ends everything a script has left. */
#include "task.h"
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Made before the script, so that a script that uses up all processes cannot prevent its own end. It waits as root, since
 * the agent may renice and pin whatever has its effective uid. With a real uid that nobody else has it then may signal what is
 * the agent's and nothing else, and the agent may not signal it. It also acts when the runner dies, since its socket ends then.
 * kill(-1) is one sweep under the kernel's lock: nothing forks its way past it. It is no child of the runner's, so that the runner can wait until it has no children left. Returns its socket or -1. */
int make_killer(void) {
  int ends[2];
  char byte = 0;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -1;
  pid_t between = fork();
  if (between != 0) {
    close(ends[1]);
    waitpid(between, NULL, 0);
    return read(ends[0], &byte, 1) == 1 ? ends[0] : -1;
  }
  if (fork() != 0) _exit(0);
  dup2(ends[1], 3);
  close_range(4, ~0U, 0); /* the script's pipe above all: it would never end */
  if (setgroups(0, NULL) || write(3, &byte, 1) < 0) _exit(1);
  struct pollfd socket = {3, POLLIN, 0};
  if (read(3, &byte, 1) < 0) _exit(1);
  while (setresuid(KILLER, AGENT, KILLER)) poll(NULL, 0, 5); /* no memory for it right now */
  do kill(-1, SIGKILL);
  while (poll(&socket, 1, 5) == 0); /* until the runner has seen the last of them go */
  _exit(0);
}
