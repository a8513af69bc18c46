"""Snapshots of a workspace, and the way back to one. Runs as the root of a container of its own, which alone mounts /snapshots and has
no network. All that stands in /workspace is the agent's: every step there is taken from an open directory, by one name, through no link.
    take N | changes N | did N | difference N | restore N SHA-256-OF-THE-DIFFERENCE-AS-APPROVED, a line each
    wait, for the end of a restore or merge, however long that takes
    named PATH,PATH,… in hex, for the SHA-256 of each that is a file: its place in that list, a space, and - where it is a link, or too large
    own, for nothing but what is done before each of the others: what an older release left becomes the agent's
    begin | begun | left | bring | merge 0 SHA-256-OF-WHAT-BRING-SAID, of a task's own copy, where /main is the workspace that it is a copy of
A snapshot is one file, /snapshots/N: every name of the tree with what lstat says of it, and where its bytes are in /snapshots/data. Bytes
that two snapshots have in common are kept once, and never shared with the workspace."""
import fcntl
import hashlib
import itertools
import os
import signal
import stat
import subprocess
import sys
import time

ROOT, KEPT, DATA = b"/workspace", b"/snapshots", b"/snapshots/data"
MAIN, MAIN_KEPT = b"/main", b"/main-snapshots"
AGENT, FORMER = 65525, 1000  # uid and gid of the agent, and what they were in an older release
LOOKS = 10  # at a tree of an older release, for what is not the agent's yet
BASE, LOOK = b"base", b"look"  # of a copy: what it and the workspace last had in common, and what it was when that was last compared
MERGED = b"merged"  # of a copy: the paths that a merge ever brought from it
DEEPEST = 500  # directories, each held open on the way down
LEFT_FREE = 1 << 30  # bytes of the disk that no snapshot takes
LEAST, MOST = 20, 60  # snapshots: once there are more than the one, the other is left of those whose action ran, and of those whose did not
PATIENCE = 60  # seconds for all but a way back
SHOWN = 24_000  # characters of a difference
COUNTED, COUNTED_ALL = 256 << 10, 8 << 20  # bytes of a file whose lines are counted, and of all of them
LARGEST = 4 << 20  # bytes of a file that is named to somebody by its SHA-256
NAMED = 33  # files of which that is told: one more than a card has, so that it can say that there are more
RECENT = 100_000_000  # nanoseconds: what changed so lately may change again within one tick of the file system's clock
KINDS = {"d": "directory", "f": "file", "l": "link", "p": "pipe", "s": "socket"}
FULL = "there would be less than 1 GiB of the disk left"
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Trouble(Exception):
    """A sentence for a person."""


class NoCopy(Trouble):
    """There is none yet, for sure: whoever asked may make it."""


class Entry:
    """What stands under a name: `kind` is d, f, l (a link to `target`), p (a pipe) or s (a socket, which
    nobody can make again); `blob` names its bytes in DATA."""

    __slots__ = ("kind", "mode", "uid", "gid", "size", "mtime", "ctime", "inode", "blob", "target")

    def __init__(self, *values):
        for name, value in zip(self.__slots__, values):
            setattr(self, name, value)

    def key(self):
        return (self.inode, self.size, self.mtime, self.ctime)


def kind_of(mode):
    return {stat.S_IFDIR: "d", stat.S_IFREG: "f", stat.S_IFLNK: "l", stat.S_IFIFO: "p"}.get(stat.S_IFMT(mode), "s")


def entry_of(about, target=b""):
    return Entry(kind_of(about.st_mode), stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid, about.st_size,
                 about.st_mtime_ns, about.st_ctime_ns, about.st_ino, b"", target)


def walk(seen, inside=None, path=b"", depth=0):
    """Calls seen(directory's fd, name, path, entry) for all that stands in the tree."""
    here = os.open(ROOT, DIRECTORY) if inside is None else inside
    if depth > DEEPEST:
        raise Trouble(f"there are more than {DEEPEST} directories one inside the other")
    if not path:
        seen(here, b".", b"", entry_of(os.fstat(here)))
    for name in sorted(map(os.fsencode, os.listdir(here))):
        try:
            about = os.lstat(name, dir_fd=here)
            target = os.readlink(name, dir_fd=here) if stat.S_ISLNK(about.st_mode) else b""
            below = os.open(name, DIRECTORY, dir_fd=here) if stat.S_ISDIR(about.st_mode) else None
        except OSError:
            continue  # gone, or another thing by now
        full = path + b"/" + name if path else name
        seen(here, name, full, entry_of(about, target))
        if below is not None:
            try:
                walk(seen, below, full, depth + 1)
            finally:
                os.close(below)
    if inside is None:
        os.close(here)


def parent(path):
    """The directory of a path, open, reached through no link; and the name in it. The caller closes it."""
    *parts, name = path.split(b"/")
    here = os.open(ROOT, DIRECTORY)
    for part in parts:
        try:
            below = os.open(part, DIRECTORY, dir_fd=here)
        finally:
            os.close(here)
        here = below
    return here, name


def opened(here, name):
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError("no plain file any more")
    return fd


def read_now(path):
    here, name = parent(path)
    try:
        with os.fdopen(opened(here, name), "rb") as file:
            yield from iter(lambda: file.read(1 << 20), b"")
    finally:
        os.close(here)


def read_blob(entry):
    with open(DATA + b"/" + entry.blob, "rb") as file:
        yield from iter(lambda: file.read(1 << 20), b"")


def same_bytes(entry, others):
    """Whether the snapshot's bytes are those others."""
    try:
        kept = read_blob(entry)
        while True:
            some = next(kept, None)
            if some != next(others, None):
                return False
            if some is None:
                return True
    except OSError:
        return False


def load(name):
    """The snapshot as {path: entry}."""
    try:
        with open(KEPT + b"/" + name, "rb") as file:
            parts = file.read().split(b"\0")
    except FileNotFoundError:
        raise Trouble(f"there is no snapshot from before #{name.decode()} any more, or there never was one") from None
    tree = {}
    for i in range(0, len(parts) - 1, 4):
        path, numbers, blob, target = parts[i : i + 4]
        kind, mode, *rest = numbers.split(b" ")
        owners = (AGENT if int(one) == FORMER else int(one) for one in rest[:2])
        tree[path] = Entry(kind.decode(), int(mode), *owners, *map(int, rest[2:]), blob, target)
    return tree


def save(name, tree):
    lines = []
    for path, e in tree.items():
        numbers = f"{e.kind} {e.mode} {e.uid} {e.gid} {e.size} {e.mtime} {e.ctime} {e.inode}"
        lines.extend((path, numbers.encode(), e.blob, e.target))
    with open(KEPT + b"/new", "wb") as file:
        file.write(b"\0".join(lines) + b"\0")
    os.rename(KEPT + b"/new", KEPT + b"/" + name)


def snapshots():
    """Names of the snapshots, the one that was taken first first."""
    return sorted((n for n in os.listdir(KEPT) if n.isdigit()), key=lambda n: os.stat(KEPT + b"/" + n).st_mtime_ns)


def sweep():
    """Takes away the bytes of a snapshot that was not finished."""
    try:
        with open(KEPT + b"/run", "rb") as file:
            run = file.read()
    except FileNotFoundError:
        return
    for blob in os.listdir(DATA):
        if blob.startswith(run + b"-"):
            os.unlink(DATA + b"/" + blob)
    os.unlink(KEPT + b"/run")


def copy(fd, blob, room):
    with open(DATA + b"/" + blob, "xb") as out:
        while some := os.read(fd, 1 << 20):
            room[0] -= len(some)
            if room[0] < 0:
                raise Trouble(FULL)
            out.write(some)


def take(name):
    sweep()
    there = os.listdir(KEPT)
    others = [n for n in snapshots() if n != name and name != LOOK] or [n for n in (BASE, LOOK) if n in there]
    last = load(others[-1]) if others else {}
    known = {e.key(): e.blob for e in last.values() if e.kind == "f" and e.ctime}
    disk = os.statvfs(KEPT)
    room = [disk.f_bavail * disk.f_frsize - LEFT_FREE]
    run, count, lately, tree = b"%x" % time.time_ns(), 0, time.time_ns() - RECENT, {}
    with open(KEPT + b"/run", "wb") as file:
        file.write(run)

    def seen(here, base, path, entry):
        nonlocal count
        if entry.kind == "f":
            blob, before = known.get(entry.key()), last.get(path)
            if blob is None and before and before.kind == "f" and before.size == entry.size and same_bytes(before, read_now(path)):
                blob = before.blob
            if blob is None:
                try:
                    fd = opened(here, base)
                except OSError:
                    return  # gone, or another thing by now
                count += 1
                blob = b"%s-%d" % (run, count)
                try:
                    if entry.size > room[0]:
                        raise Trouble(FULL)
                    copy(fd, blob, room)
                    now = entry_of(os.fstat(fd))
                    now.size = os.stat(DATA + b"/" + blob).st_size
                    entry, moved = now, now.key() != entry.key()
                finally:
                    os.close(fd)
                entry.ctime = 0 if moved else entry.ctime
                known[entry.key()] = blob  # a further name of the same file
            entry.blob = blob
            if entry.ctime > lately:
                entry.ctime = 0  # what was this young is compared by its bytes
        tree[path] = entry

    walk(seen)
    save(name, tree)
    os.unlink(KEPT + b"/run")
    thin()


def thin():
    """Takes the oldest snapshots away once there are many, and the bytes that none has any more. Cards that nobody approved push none
    out of an action that ran."""
    all_of_them = snapshots()
    if len(all_of_them) <= MOST:
        return
    ran = [name for name in all_of_them if not os.stat(KEPT + b"/" + name).st_mode & stat.S_IWUSR]
    kept = {*ran[-LEAST:], *[name for name in all_of_them if name not in ran][-LEAST:]}
    for name in all_of_them:
        if name not in kept:
            os.unlink(KEPT + b"/" + name)
    kept |= {BASE, LOOK} & set(os.listdir(KEPT))
    used = {e.blob for name in kept for e in load(name).values()}
    for blob in os.listdir(DATA):
        if blob not in used:
            os.unlink(DATA + b"/" + blob)


def tree_now():
    tree = {}
    walk(lambda here, name, path, entry: tree.update({path: entry}))
    return tree


def differ(path, before, now):
    """Whether what stands under a name is another thing than it was. A time alone makes none."""
    if before.kind != now.kind or before.target != now.target:
        return True
    if before.kind != "l" and (before.mode, before.uid, before.gid) != (now.mode, now.uid, now.gid):
        return True
    if before.kind != "f" or (before.ctime and before.key() == now.key()):
        return False
    return before.size != now.size or not same_bytes(before, read_now(path))


def compared(before, now):
    """Paths that were and are not, that are and were not, and that changed."""
    kept = {path for path, entry in before.items() if entry.kind != "s"}
    return sorted(kept - now.keys()), sorted(now.keys() - before.keys()), sorted(
        p for p in kept & now.keys() if differ(p, before[p], now[p]))


def counted(lines):
    counts = {}
    for line in lines:
        counts[line] = counts.get(line, 0) + 1
    return counts


def changes(before, now, paths):
    """Six numbers: files changed, added, removed; lines that only the new ones have, and only the old ones; files whose lines are not counted."""
    gone, new, changed = paths
    plus, minus, left, uncounted = 0, 0, COUNTED_ALL, set()

    def lines(entry, read):
        nonlocal left
        if entry is None or entry.kind != "f":
            return {}
        if entry.size > COUNTED or entry.size > left:
            uncounted.add(path)
            return {}
        left -= entry.size
        text = b"".join(read())
        if b"\0" in text:
            uncounted.add(path)
            return {}
        return counted(text.split(b"\n")[: None if text[-1:] != b"\n" else -1] if text else [])

    for path in (*gone, *new, *changed):
        try:
            old = lines(before.get(path), lambda: read_blob(before[path]))
            young = lines(now.get(path), lambda: read_now(path))
        except OSError:
            uncounted.add(path)
            continue
        plus += sum(max(0, n - old.get(line, 0)) for line, n in young.items())
        minus += sum(max(0, n - young.get(line, 0)) for line, n in old.items())
    some = [sum(1 for p in paths if tree[p].kind != "d") for paths, tree in ((changed, now), (new, now), (gone, before))]
    return *some, plus, minus, len(uncounted)


def did(before, now, paths):
    """What was done to the tree, as text."""
    gone, new, changed = paths
    lines = [f"adds{line}" for line in topmost(by_parts(new), now)]
    lines += [f"removes{line}" for line in topmost(by_parts(gone), before)]
    lines += [f"changes: {shown(path) or './'}" for path in changed]
    if not lines:
        return "it would change nothing"
    *_, plus, minus, _ = changes(before, now, paths)
    return "\n".join([f"it would change this (+{plus} −{minus} lines)", *cut(lines)])


def cut(lines):
    """As many as are shown, and what stands for the others."""
    text = "\n".join(lines)
    if len(text) <= SHOWN:
        return lines
    some = text[:SHOWN].split("\n")[:-1]
    return [*some, f"and {len(lines) - len(some)} more; the SHA-256 of the whole list is {hashlib.sha256(text.encode()).hexdigest()}"]


def shown(path):
    """A name in one line: what is no printable UTF-8 by its bytes."""
    text = path.decode("utf-8", "surrogateescape")
    return "".join(c if c.isprintable() and c != "\\" else "".join(f"\\x{b:02x}" for b in os.fsencode(c)) for c in text)


def topmost(paths, tree):
    """What stands behind "returns" or "vanishes": each path, with a directory for all that is below it as well. A name comes last, so
    that none reads as words of ours."""
    lines, inside, count = [], None, 0
    for path in paths:
        if inside is not None and path.startswith(inside + b"/"):
            count += 1
            lines[-1] = (inside, count)
            continue
        inside, count = (path, 0) if tree[path].kind == "d" else (None, 0)
        lines.append((path, 0))
    return [f"{f' with {n} below' if n else ''}: {shown(p)}{'/' if tree[p].kind == 'd' else ''}" for p, n in lines]


def by_parts(paths):
    return sorted(paths, key=lambda path: path.split(b"/"))


def difference(before, now, paths):
    """What a way back would do, as text; '' for nothing. Its last line stands for all that is there now, to the letter."""
    gone, new, changed = paths
    lines = [f"returns{line}" for line in topmost(by_parts(gone), before)]
    lines += [f"vanishes{line}" for line in topmost(by_parts(new), now)]
    for path in changed:
        was, be = now[path], before[path]
        mode = f" mode {was.mode:o} to {be.mode:o}" if was.mode != be.mode and be.kind != "l" else ""
        lines.append(f"changes{mode}: {shown(path) or './'}")
    if not lines:
        return ""
    whole = hashlib.sha256()
    for path in sorted(now):
        e = now[path]
        times = (e.size, e.mtime, e.ctime, e.inode) if e.kind != "d" else ()
        whole.update(b"%s\0%s\0%s\0" % (path, repr((e.kind, e.mode, e.uid, e.gid, *times)).encode(), e.target))
    return "\n".join([*cut(lines), f"from the tree {whole.hexdigest()[:32]}"]) + "\n"


def place(path, entry, made, instead_of=None):
    """Puts the file, link, pipe or empty directory there, whole, beside what has its name and then over it: whenever it is cut off, the one or
    the other is there."""
    here, name = parent(path)
    beside = b".pocketcoder-undo-%x" % time.time_ns()
    try:
        again = made.get(entry.inode)
        if entry.kind == "f" and again:  # one file under two names
            there, other = parent(again)
            try:
                os.link(other, beside, src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)
            finally:
                os.close(there)
        elif entry.kind == "f":
            fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=here)
            with os.fdopen(fd, "wb") as out:
                for some in read_blob(entry):
                    out.write(some)
                out.flush()
                os.fchown(fd, entry.uid, entry.gid)
                os.fchmod(fd, entry.mode)
                os.utime(fd, ns=(entry.mtime, entry.mtime))
            made[entry.inode] = path
        elif entry.kind == "d":
            os.mkdir(beside, 0o700, dir_fd=here)
            fd = os.open(beside, DIRECTORY, dir_fd=here)
            os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, entry.mode)
            os.close(fd)
        elif entry.kind == "l":
            os.symlink(entry.target, beside, dir_fd=here)
            os.chown(beside, entry.uid, entry.gid, dir_fd=here, follow_symlinks=False)
        else:
            before = os.umask(0)
            os.mkfifo(beside, entry.mode, dir_fd=here)
            os.umask(before)
            os.chown(beside, entry.uid, entry.gid, dir_fd=here, follow_symlinks=False)
        if instead_of and "d" in (entry.kind, instead_of.kind):  # what is no directory goes over what is none
            (os.rmdir if instead_of.kind == "d" else os.unlink)(name, dir_fd=here)
        os.rename(beside, name, src_dir_fd=here, dst_dir_fd=here)
    finally:
        try:
            os.unlink(beside, dir_fd=here)
        except OSError:
            pass  # it has its name
        os.close(here)


def at(path, do):
    here, name = parent(path)
    try:
        do(name, here)
    finally:
        os.close(here)


def restore(name, approved):
    before, now = load(name), tree_now()
    gone, new, changed = compared(before, now)
    text = difference(before, now, (gone, new, changed))
    if not text or hashlib.sha256(text.encode()).hexdigest() != approved:
        raise Trouble("the workspace is not as it was when the card was made: ask again; nothing was undone")
    intact(before.values())
    lay(before, now, gone, new, changed)
    sys.stdout.write(text)


def intact(entries):
    for entry in entries:
        if entry.kind == "f" and os.stat(DATA + b"/" + entry.blob).st_size != entry.size:
            raise Trouble("the snapshot is damaged; nothing was done")


def lay(before, now, gone, new, changed):
    """Makes the tree as it was before: what is gone is put back, what is new is taken away, and what changed is as it was."""
    for path in sorted(new, key=lambda p: p.count(b"/"), reverse=True):
        remove = os.rmdir if now[path].kind == "d" else os.unlink
        at(path, lambda base, here, remove=remove: remove(base, dir_fd=here))
    made = {}
    for path in by_parts((*gone, *changed)):
        was = now.get(path)
        if not was or was.kind != "d" or before[path].kind != "d":
            place(path, before[path], made, was)
    touched = {*gone, *changed} | {p.rpartition(b"/")[0] for p in (*gone, *new, *changed)}
    for path in sorted((p for p in touched if p in before and before[p].kind == "d"), reverse=True):
        here, base = parent(path) if path else (os.open(ROOT, DIRECTORY), b".")
        fd = os.open(base, DIRECTORY, dir_fd=here)
        os.fchown(fd, before[path].uid, before[path].gid)
        os.fchmod(fd, before[path].mode)
        os.utime(fd, ns=(before[path].mtime, before[path].mtime))
        os.close(fd)
        os.close(here)


def same(one, other, read):
    """Whether what a snapshot has is the same thing as another that is read so; None is nothing."""
    if one is None or other is None:
        return one is other
    if one.kind != other.kind or one.target != other.target or one.kind == "s":
        return False
    if one.kind != "l" and (one.mode, one.uid, one.gid) != (other.mode, other.uid, other.gid):
        return False
    return one.kind != "f" or (one.size == other.size and (one.blob == other.blob or same_bytes(one, read())))


def compare():
    """What was done in the copy since it and the workspace last had it in common, against what the workspace has now: its tree and the
    copy's, the paths to put there and to take away, and what brings them as text. Never of .git. Where both changed one thing it is named,
    and nothing is brought."""
    global ROOT
    take(LOOK)
    base, own = load(BASE), load(LOOK)
    ROOT = MAIN
    now = tree_now()
    put, away, agreed, clash = [], set(), [], set()
    commits = False
    for path in sorted(base.keys() | own.keys()):
        was, be, there = (tree.get(path) for tree in (base, own, now))
        was, be = (None if e and e.kind == "s" else e for e in (was, be))
        if path == b"" or same(was, be, lambda: read_blob(be)):
            continue
        if b".git" in path.split(b"/"):
            commits = True
        elif same(be, there, lambda: read_now(path)):
            agreed.append(path)
        elif not same(was, there, lambda: read_now(path)):
            clash.add(path)
        elif be:
            put.append(path)
        else:
            away.add(path)
    putting = set(put)
    for path in put:
        above = path.rpartition(b"/")[0]
        if above and above not in putting and (above not in now or now[above].kind != "d"):
            clash.add(path)
    ends = {p for p in (*away, *put) if p in now and now[p].kind == "d" and (p in away or own[p].kind != "d")}
    stays = set()
    for path in now:
        above, commit = path, b".git" in path.split(b"/")
        while path not in away and (above := above.rpartition(b"/")[0]):
            if above in ends:  # something is in it that the copy knows nothing of, or that a merge leaves alone
                (stays if commit and above in away else clash).add(above)
    away -= stays
    for path in agreed:  # it is what they have in common from now on
        agree(base, own, path)
    if agreed:
        save(BASE, base)
    if clash:
        raise Trouble("\n".join([
            "nothing was merged, for both changed these since they last had them in common:", *cut([f"both: {shown(p)}" for p in by_parts(clash)]),
            "let that task take them as the workspace has them, which it reads at /main, say the same !merge again, and let it then do its part anew"]))
    return base, own, now, put, sorted(away), brought(own, now, put, away, stays, commits)


def agree(base, own, path):
    if path in own:
        base[path] = own[path]
    else:
        base.pop(path, None)


def named(what, path, entry):
    """A name comes last in its line, and where a link leads to has one of its own: neither reads as words of ours."""
    lines = [f"{what}: {shown(path)}{'/' if entry.kind == 'd' else ''}"]
    return [*lines, f"which leads to: {shown(entry.target)}"] if entry.kind == "l" else lines


def brought(own, now, put, away, stays, commits):
    """What a merge changes in the workspace, as text; '' for nothing. Its last line stands for what is brought, to the letter, and for what it
    takes the place of."""
    if not put and not away:
        return ""
    new, changed = [p for p in put if p not in now], [p for p in put if p in now]
    lines = []
    for path in by_parts(changed):
        was, be = now[path], own[path]
        mode = f" mode {was.mode:o} to {be.mode:o}" if was.mode != be.mode and be.kind != "l" else ""
        kind = f" {KINDS[was.kind]} to {KINDS[be.kind]}" if was.kind != be.kind else ""
        lines.extend(named(f"changes{kind}{mode}", path, be))
    lines += [f"removes{line}" for line in topmost(by_parts(away), now)]
    for path in by_parts(new):
        be = own[path]
        kind = f" {KINDS[be.kind]}" if be.kind not in "df" else ""
        mode = f" mode {be.mode:o}" if be.kind != "l" and be.mode & (0o7000 if be.kind == "d" else 0o7111) else ""
        lines.extend(named(f"adds{kind}{mode}", path, be))
    lines += [f"stays for its .git: {shown(path)}/" for path in by_parts(stays)]
    if len("\n".join(lines)) > SHOWN:
        raise Trouble(f"this is too much for one card: {len(lines)} lines, {len(put) + len(away)} names; nothing was merged. Let that task put many files into "
                      "one archive, or take some away until the others are merged, or !push its work from there")
    *_, minus, plus, uncounted = changes(own, now, (new, sorted(away), changed))
    whole = hashlib.sha256()
    for path in sorted((*put, *away)):
        for e in (own.get(path), now.get(path)):
            whole.update(b"%s\0%s\0" % (path, repr(e and (e.kind, e.mode, e.uid, e.gid, e.target)).encode()))
            if e and e.kind == "f":
                file = hashlib.sha256()
                for some in read_blob(e) if e.blob else read_now(path):
                    file.update(some)
                whole.update(file.digest())
    return "\n".join([
        f"(+{plus} -{minus} lines{f', {uncounted} files not counted' if uncounted else ''})", *lines, *([".git stays as the workspace has it: commits made in the copy do not come, its files as they are do"] if commits else []),
        f"from the trees {whole.hexdigest()[:32]}"]) + "\n"


def merge(approved):
    base, own, now, put, away, text = compare()
    if not text or approved != hashlib.sha256(text.encode()).hexdigest():
        raise Trouble("the copy or the workspace is not as it was when the card was made: say the same !merge again; nothing was merged")
    intact(own[p] for p in put)
    disk = os.statvfs(MAIN)
    if sum(own[p].size for p in put if own[p].kind == "f") > disk.f_bavail * disk.f_frsize - LEFT_FREE:
        raise Trouble(FULL + "; nothing was merged")
    for path in put:
        own[path].mtime = time.time_ns()  # what was built there before is older
    with open(KEPT + b"/new", "wb") as file:
        file.write(b"".join(path + b"\0" for path in merged() | {*put, *away}))
    os.rename(KEPT + b"/new", KEPT + b"/" + MERGED)
    after = {path: e for path, e in now.items() if path not in away} | {path: own[path] for path in put}
    lay(after, now, [p for p in put if p not in now], away, [p for p in put if p in now])
    for path in (*put, *away):
        agree(base, own, path)
    save(BASE, base)
    sys.stdout.write(text)


def merged():
    """The paths that this copy's merges brought, or began to."""
    try:
        with open(KEPT + b"/" + MERGED, "rb") as file:
            return set(file.read().split(b"\0")[:-1])
    except FileNotFoundError:
        return set()


def left():
    """Whether the copy is the only one that has something. What it merged may have been undone since."""
    global ROOT
    base = load(BASE)
    if any(compared(base, tree_now())):
        return True
    paths, ROOT = merged(), MAIN
    now = tree_now() if paths else {}
    return not all(same(base.get(p), now.get(p), lambda p=p: read_now(p)) for p in paths)


def sum_of(path):
    """The SHA-256 of a file; - for one that is too large, and where a link stands in the path; '' where there is no file."""
    *parts, name = path.split(b"/")
    here = os.open(ROOT, DIRECTORY)
    try:
        for part in parts:
            if stat.S_ISLNK(os.lstat(part, dir_fd=here).st_mode):
                return "-"
            below = os.open(part, DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
        mode = os.lstat(name, dir_fd=here).st_mode
        if not stat.S_ISREG(mode):
            return "-" if stat.S_ISLNK(mode) else ""
        with os.fdopen(opened(here, name), "rb") as file:
            some = file.read(LARGEST + 1)
        return "-" if len(some) > LARGEST else hashlib.sha256(some).hexdigest()
    except OSError:
        return ""
    finally:
        os.close(here)


def take_over(top):
    """Makes the agent's what was its own under its former number, links themselves and nothing through them, until a look at all of it finds no
    more: what still runs under that number may add some. The top is root's meanwhile and comes last: as long as it is not the agent's, however
    this broke off, all is looked at again, and nothing goes out of it (image/workspace.sh)."""
    if not os.path.isdir(top) or os.stat(top).st_uid not in (0, FORMER):
        return
    os.chown(top, 0, 0)
    for _ in range(LOOKS):
        for words in (["chown", "-Rh", f"--from={FORMER}", f"{AGENT}:{AGENT}", top], ["find", top, "-user", str(FORMER), "-print", "-quit"]):
            done = subprocess.run(words, capture_output=True, text=True)
            why = done.stderr.strip()[-300:]
            if done.returncode or done.stdout:
                break
        else:
            return os.chown(top, AGENT, AGENT)
    raise Trouble(f"what an older release left cannot be made the agent's: {why or 'something still makes files there'}")


def late(*_):
    raise Trouble(f"it took more than {PATIENCE} s")


def main(what, number="0", approved=""):
    sys.setrecursionlimit(10 * DEEPEST)
    os.umask(0o077)
    for top in (b"/base", MAIN, ROOT):
        take_over(top)
    if what == "own":
        return
    os.makedirs(DATA, exist_ok=True)
    if what == "begun":  # answered at once: no other answer than the one of NoCopy may have a copy made anew
        if BASE not in os.listdir(KEPT):
            raise NoCopy("there is no copy yet")
        return
    if what not in ("restore", "merge", "wait"):
        signal.signal(signal.SIGALRM, late)
        signal.alarm(PATIENCE)
    if what == "named":  # at once: somebody waits for it, and no snapshot has a part in it
        sums = ((i, sum_of(bytes.fromhex(path))) for i, path in enumerate(number.split(",")))
        for i, about in itertools.islice(((i, about) for i, about in sums if about), NAMED):
            print(i, about)
        return
    fcntl.flock(os.open(KEPT, os.O_RDONLY), fcntl.LOCK_EX)  # a way back whose asker died goes on: what comes next waits for its end
    if what == "wait":
        return
    name = str(int(number)).encode()
    if what in ("bring", "merge"):
        fcntl.flock(os.open(MAIN_KEPT, os.O_RDONLY), fcntl.LOCK_EX)
    if what == "take":
        take(name)
    elif what == "begin":
        take(BASE)
    elif what == "left":
        if left():
            raise Trouble("something was done in it that the workspace does not have")
    elif what == "bring":
        text = compare()[-1]
        if not text:
            raise Trouble("nothing to merge: nothing was done there since that the workspace did not have (where a merge was undone, undo that undo)")
        sys.stdout.write(text)
    elif what == "merge":
        merge(approved)
    elif what in ("changes", "did"):
        before, now = load(name), tree_now()
        os.chmod(KEPT + b"/" + name, 0o400)  # its action ran
        paths = compared(before, now)
        if what == "did":
            print(did(before, now, paths))
        else:
            print(*changes(before, now, paths)[:5])
    elif what == "difference":
        before, now = load(name), tree_now()
        text = difference(before, now, compared(before, now))
        if not text:
            raise Trouble(f"nothing would change: all is as it was before #{number}")
        sys.stdout.write(text)
    elif what == "restore":
        restore(name, approved)


def asked(words):
    try:
        main(*words)
        return 0
    except Trouble as trouble:
        print(trouble)
        return 4 if isinstance(trouble, NoCopy) else 1
    except OSError as error:
        print(f"cannot {words[0]}: {error.strerror or error}: {shown(os.fsencode(error.filename or ''))}")
        return 2
    except Exception as error:
        print(f"cannot {words[0]}: {type(error).__name__} {error}")
        return 3


def serve():
    """Answers a line of words with `EXIT SIZE` and so many bytes. Each is done in a process of its own: what it holds, and what it dies of, is
    its own, and one that is under way goes on where nobody asks any more."""
    for line in sys.stdin.buffer:
        here, there = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(there, 1)
            os.closerange(3, 64)
            code = asked(line.decode().split())
            sys.stdout.flush()
            os._exit(code)
        os.close(there)
        with os.fdopen(here, "rb") as answer:
            text = answer.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(1, b"%d %d\n" % (code, len(text)))
        for at in range(0, len(text), 1 << 16):
            os.write(1, text[at : at + (1 << 16)])


if __name__ == "__main__":
    serve()
