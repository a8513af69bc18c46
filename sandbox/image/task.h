/* Shared by the three roles of /usr/lib/pocketcoder/task: init (the container's first process), feed (one long exec
 * stream from the executor) and run (one action, in a tmux window). All three are the container's root and hold
 * CAP_SETUID, CAP_SETGID and CAP_KILL only; scripts are the agent's and hold nothing. */
#pragma once
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STORE "/var/lib/task" /* root's alone: a directory per action with request, out, status */
#define INPUT "/run/task/script" /* what the running action's program reads; root's, readable by the agent */
#define TMUX_SOCKET "/run/tmux/socket"
#define READY "/run/task/ready" /* is there once tmux takes windows; gone with every start of the container */
#define LOCK "/run/tmux/lock" /* held while an action runs: one at a time */
/* Uid and gid of scripts. The kernel counts inotify instances, keys, pending signals and the like for each uid of the machine, so this is
 * nobody's there: 65520 to 65533 are unused by https://systemd.io/UIDS-GIDS/ and reserved by Debian's policy, 9.2.2, and they are in the
 * 65,536 ids that a rootless or remapped engine has. Beside it 65532 is "nonroot" of many images. Dockerfile, keep.py, container.ts and
 * workspace-source.ts have the same. */
#define AGENT 65525
#define HOME "/home/agent"
#define KILLER 65533 /* real uid of the process that kills the agent's: nobody else has it */
#define ID 15 /* bytes of an action's id: [a-z0-9] */
#define LOOK 50 /* milliseconds between two looks at the room on the disk */
#define NO_ROOM 75 /* how a terminal's first process exits where there is too little */
#define MOST_OUTPUT (1000 << 20) /* the ledger takes 1 GiB */
#define MOST_FRAME (33 << 20) /* a file of 32 MiB, and what tells where it goes */

int init(unsigned seconds);
int feed(void);
int run(const char *id);
int make_killer(void);
int refuse_preallocation(void); /* to this process and all that comes of it, 0 once it is */
long long room_now(void); /* bytes free on the workspace's disk */
long long room_to_leave(void); /* bytes of them, below which what begins now is ended */
int make_fresh(void); /* 0 once no file is left where scripts may write, but in the workspace and in caches; while none runs */

int path_of(char *buffer, size_t size, const char *id, const char *name); /* STORE/id/name; -1 for an id that is none */
int open_of(const char *id, const char *name, int flags); /* the file of that path, root's alone where it is made */
int read_all(int fd, void *buffer, size_t n); /* 0 when all n came, -1 at the end or an error */
int write_all(int fd, const void *bytes, size_t n);
uint32_t u32(const unsigned char *p); /* big-endian */
