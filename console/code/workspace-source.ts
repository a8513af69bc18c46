/** What is brought into a workspace: a directory of this machine, or a repository. It is only read, and never mounted. */
import { constants, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { access, type FileHandle, lstat, mkdtempDisposable, open, readdir, readlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { messageOf } from '../../ledger/src/retry.ts';
import { run } from '../engine/program.ts';
import { fault } from '../fault.ts';
import { silent } from '../report.ts';
import { staysInside } from './workspace-result.ts';

/** `name` is what the ledger is told: a whole path, or an address without credentials. */
export type Source = { form: 'git' | 'directory'; from: string; name: string };
const most = { files: 200_000, bytes: 4 * 2 ** 30 };
/** All of it is the sandbox user's. */
const ours = { uid: 65525, gid: 65525 };
/** A file up to so many bytes is held in memory, so that one that shrinks meanwhile is taken as it is then. */
const held = 16 * 2 ** 20;
const nothing = 'Nothing was brought in, no workspace was made';
const schemes = 'https:http:ssh:git:file';

/**
 * What a person named: a directory that is there, else the address of a repository.
 * @param home the state directory, whose secrets no sandbox may see
 */
export function sourceOf(named: string, home: string): Source {
  if (statSync(named, { throwIfNoEntry: false })?.isDirectory()) {
    const from = realpathSync(named);
    const inside = (inner: string, outer: string) => `${inner}${sep}`.startsWith(join(outer, sep));
    if (inside(realpathSync(home), from) || inside(from, realpathSync(home)))
      throw fault.usage(`${from} holds the secrets of this instance. ${nothing}: name another directory.`);
    return { form: 'directory', from, name: from };
  }
  if (/^\w[\w.-]*@\w[\w.-]*:[^\s-]\S*$/.test(named)) return { form: 'git', from: named, name: named };
  const known = URL.canParse(named) && schemes.split(':').includes(new URL(named).protocol.slice(0, -1));
  // A host that this person's ssh configuration names.
  if (!known && /^\w[\w.-]+:(?!\/\/)[^\s:-]\S*(?:\/\S|\.git$)/.test(named) && !/\s/.test(named))
    return { form: 'git', from: named, name: named };
  if (!known)
    throw fault.usage(
      `${resolve(named)} is no directory, and ${named} is no address of a repository (https, http, ssh, git or file). ${nothing}.`,
    );
  const shown = new URL(named);
  Object.assign(shown, { username: '', password: '', search: '', hash: '' });
  return { form: 'git', from: named, name: shown.href };
}

/** Whether a directory's names can be read and followed. */
const isOpen = (path: string): Promise<boolean> =>
  access(path, constants.R_OK | constants.X_OK).then(
    () => true,
    () => false,
  );

/** So many bytes of a file, in pieces. */
async function* wholeOf(file: FileHandle, name: string, size: number): AsyncGenerator<Buffer> {
  let read = 0;
  for await (const bytes of file.createReadStream({ end: size - 1, autoClose: false })) {
    read += bytes.length;
    yield bytes;
  }
  if (read < size)
    throw fault.failed(
      `${name} changed while it was read. ${nothing}: say it again when nothing writes there.`,
    );
}

/**
 * A tar of what stands below a directory, all of it the sandbox user's. No symbolic link is followed. What goes while it is read
 * is left out, and it fails where a file too large to be held shrinks meanwhile.
 * @param tops what to begin with, below the root @param left gets the names of what stays out
 */
function tarOf(root: string, tops: readonly string[], left: string[]): Readable {
  const tar = pack();
  let files = 0;
  let bytes = 0;
  function count(size: number): void {
    bytes += size;
    if (++files > most.files || bytes > most.bytes)
      throw fault.failed(
        `${root} is larger than ${most.files} files or ${most.bytes / 2 ** 30} GiB. ${nothing}: name a smaller part of it.`,
      );
  }
  async function addFile(name: string): Promise<void> {
    // Where a pipe has taken its place meanwhile, opening it does not wait.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    await using file = await open(join(root, name), flags).catch(() => null);
    const now = await file?.stat();
    if (!file || !now?.isFile()) return void left.push(name);
    const bytes = now.size <= held ? await file.readFile() : undefined;
    const size = bytes?.length ?? now.size;
    count(size);
    const entry = tar.entry({ name, ...ours, size, mode: now.mode & 0o111 ? 0o755 : 0o644 });
    await pipeline(bytes ? [bytes] : wholeOf(file, name, size), entry);
  }
  async function add(name: string): Promise<void> {
    const path = join(root, name);
    const stat = await lstat(path).catch(() => null);
    if (stat?.isFile()) return addFile(name);
    const linkname = stat?.isSymbolicLink() ? await readlink(path).catch(() => '') : '';
    const names = stat?.isDirectory() && (await isOpen(path)) ? await readdir(path).catch(() => null) : null;
    // The engine takes no link that leads out, and it would lead nowhere; one to a name that is no UTF-8 would lead elsewhere.
    const fits = names ?? (linkname && !linkname.includes('\ufffd') && staysInside(name, linkname));
    if (!fits) return void left.push(name);
    count(0);
    if (linkname) return void tar.entry({ name, ...ours, type: 'symlink', linkname });
    tar.entry({ name, ...ours, type: 'directory', mode: 0o755 });
    await addAll(names ?? [], name);
  }
  async function addAll(names: readonly string[], below = ''): Promise<void> {
    for (const child of names.toSorted()) {
      const name = below ? `${below}/${child}` : child;
      if (child.includes('\ufffd'))
        left.push(name); // no UTF-8: it can't be named
      else if (!/^\.git$/i.test(child)) await add(name);
    }
  }
  addAll(tops).then(
    () => tar.finalize(),
    (error: Error) => tar.destroy(error),
  );
  return tar;
}

/**
 * Reads the source and hands its tar to `put`: a directory's files, or a repository's objects and references. What bears the
 * name .git stays out of a directory: the settings in it are a program's to run.
 * @returns the names of what was left out
 */
export async function readSource(
  source: Source,
  put: (path: '/workspace' | '/base', tar: Readable) => Promise<void>,
): Promise<string[]> {
  const left: string[] = [];
  if (source.form === 'directory') {
    await put('/workspace', tarOf(source.from, await readdir(source.from), left));
    return left;
  }
  await using clone = await mkdtempDisposable(join(tmpdir(), 'pocketcoder-clone-'));
  await cloneInto(clone.path, source);
  await put('/base', tarOf(clone.path, await readdir(clone.path), left));
  return left;
}

/** What goes along of a clone; its settings name its source. */
const kept = ['HEAD', 'packed-refs', 'refs', 'objects', 'shallow'];
const configOf = (format: string): string =>
  format === 'sha1'
    ? '[core]\n\trepositoryformatversion = 0\n\tbare = true\n'
    : `[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = ${format}\n`;

/** A bare clone by this person's own git and credentials: no file of it is checked out, no hook or filter run. */
async function cloneInto(dir: string, { from, name }: Source): Promise<void> {
  const env = {
    GIT_ALLOW_PROTOCOL: schemes,
    GIT_DEFAULT_REF_FORMAT: 'files', // what this machine's git likes better, the sandbox's may not read
    ...(process.stdin.isTTY ? {} : { GIT_TERMINAL_PROMPT: '0', GIT_ASKPASS: 'false', SSH_ASKPASS: 'false' }),
  };
  const safe = ['core.hooksPath=/dev/null', 'core.fsmonitor=false', 'submodule.recurse=false'];
  // What it says may hold credentials of the address.
  const git = (...args: string[]) =>
    run('git', [...safe.flatMap((one) => ['-c', one]), ...args], silent, env);
  try {
    await git('clone', '--quiet', '--bare', '--no-local', '--template=', '--', from, dir);
    const format = await git('--git-dir', dir, 'rev-parse', '--show-object-format');
    for (const other of readdirSync(dir).filter((one) => !kept.includes(one)))
      rmSync(join(dir, other), { recursive: true });
    writeFileSync(join(dir, 'config'), configOf(format));
  } catch (error) {
    const why = messageOf(error).replaceAll(from, name);
    throw fault.failed(`${why}\n${nothing}: see that git clone ${name} works here, then say the same again.`);
  }
  if (await git('--git-dir', dir, 'rev-parse', '--verify', 'HEAD').catch(() => '')) return;
  const branches = async (...of: string[]) =>
    (await git('--git-dir', dir, 'for-each-ref', '--count=2', '--format=%(refname)', ...of)).split('\n');
  const [first, second] = await branches('refs/heads');
  if (!first) throw fault.failed(`${name} has no commit. ${nothing}.`);
  const [taken] = second ? await branches('refs/heads/main', 'refs/heads/master') : [first];
  if (!taken)
    throw fault.failed(
      `${name} has a HEAD that names no branch of it, and no branch main or master. ${nothing}.`,
    );
  await git('--git-dir', dir, 'symbolic-ref', 'HEAD', taken);
}
