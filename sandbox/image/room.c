/* The room on the disk that workspaces and the ledger share: what takes it is ended while there is some. */
#include "task.h"
#include <errno.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>

#define FLOOR (1LL << 30)

long long room_now(void) {
  struct statvfs disk;
  return statvfs("/workspace", &disk) < 0 ? LLONG_MAX : (long long)disk.f_bavail * (long long)disk.f_frsize;
}

/* Where there is less than the floor from the start, it may still be the end of that: what takes files away needs a little. */
long long room_to_leave(void) {
  long long now = room_now();
  return now < FLOOR ? now - now / 8 : FLOOR;
}

#if defined __x86_64__
enum { NATIVE = AUDIT_ARCH_X86_64, FALLOCATE = 285, FALLOCATE_32 = 324, IOCTL = 16 };
#elif defined __aarch64__
enum { NATIVE = AUDIT_ARCH_AARCH64, FALLOCATE = 47, FALLOCATE_32 = 352, IOCTL = 29 };
#endif
enum { X32 = 0x40000000, IOCTL_X32 = 514, IOCTL_32 = 54, IO_URING_SETUP = 425 };
/* FS_IOC_RESVSP and those like it, XFS's own among them: _IOW('X', any number, 48 bytes, or 44 of a 32-bit program). */
enum { SPACE = 0x40205800, OF_SPACE = ~0x1c00ff };
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define AND(bits) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (unsigned)(bits))
#define JUMP(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define END(action) BPF_STMT(BPF_RET | BPF_K, (action))

/* What takes a whole disk in one call cannot be watched. Programs are told what file systems without it say, and write instead; the
 * other ways to the same call, an ioctl and a ring, are closed too. */
int refuse_preallocation(void) {
  struct sock_filter filter[] = {
    LOAD(arch), JUMP(NATIVE, 0, 5),
    LOAD(nr), AND(~X32), JUMP(FALLOCATE, 9, 0), JUMP(IOCTL, 5, 0), JUMP(IOCTL_X32, 4, 3),
    LOAD(nr), JUMP(FALLOCATE_32, 5, 0), JUMP(IOCTL_32, 1, 0),
    JUMP(IO_URING_SETUP, 4, 5),
    LOAD(args[1]), AND(OF_SPACE), JUMP(SPACE, 0, 2),
    END(SECCOMP_RET_ERRNO | EOPNOTSUPP), END(SECCOMP_RET_ERRNO | ENOSYS), END(SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
