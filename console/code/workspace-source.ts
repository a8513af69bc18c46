/** What is brought into a workspace: a directory of this machine, or a repository. It is only read, and never mounted. */
import { constants, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { access, lstat, open, readdir, readlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { messageOf } from '../../ledger/src/retry.ts';
import { run } from '../engine/run.ts';
import { Fault } from '../fault.ts';
import { silent } from '../report.ts';
import { staysInside } from './workspace-result.ts';

/** `name` is what the ledger is told: a whole path, or an address without credentials. */
export type Source = { form: 'git' | 'directory'; from: string; name: string };
/** What was found below a directory; `left` are the names of what stays out. */
type Found = { entries: Entry[]; left: string[] };
type Entry = {
  name: string;
  kind: 'file' | 'directory' | 'symlink';
  size: number;
  mode: number;
  target: string;
};

const most = { files: 200_000, bytes: 4 * 2 ** 30 };
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
      throw new Fault(
        'usage',
        `${from} holds the secrets of this instance. ${nothing}: name another directory.`,
      );
    return { form: 'directory', from, name: from };
  }
  if (/^\w[\w.-]*@\w[\w.-]*:[^\s-]\S*$/.test(named)) return { form: 'git', from: named, name: named };
  if (!URL.canParse(named) || !schemes.split(':').includes(new URL(named).protocol.slice(0, -1)))
    throw new Fault(
      'usage',
      `${resolve(named)} is no directory, and ${named} is no address of a repository (https, http, ssh, git or file). ${nothing}.`,
    );
  const shown = new URL(named);
  Object.assign(shown, { username: '', password: '', search: '', hash: '' });
  return { form: 'git', from: named, name: shown.href };
}

const opens = (path: string, kind: 'file' | 'directory'): Promise<boolean> =>
  access(path, kind === 'file' ? constants.R_OK : constants.R_OK | constants.X_OK).then(
    () => true,
    () => false,
  );

/** Nothing is opened, and no symbolic link followed. @param skip names that are left out wherever they stand */
async function find(root: string, tops: readonly string[], skip: RegExp | undefined): Promise<Found> {
  const found: Found = { entries: [], left: [] };
  let bytes = 0;
  async function look(name: string): Promise<void> {
    const stat = await lstat(join(root, name));
    const kind = stat.isFile()
      ? 'file'
      : stat.isDirectory()
        ? 'directory'
        : stat.isSymbolicLink()
          ? 'symlink'
          : '';
    const target = kind === 'symlink' ? await readlink(join(root, name)) : '';
    // The engine takes no link that leads out, and it would lead nowhere.
    if (!kind || (kind === 'symlink' && !staysInside(name, target))) return void found.left.push(name);
    if (kind !== 'symlink' && !(await opens(join(root, name), kind))) return void found.left.push(name);
    const size = kind === 'file' ? stat.size : 0;
    bytes += size;
    found.entries.push({ name, kind, size, mode: stat.mode & 0o111 ? 0o755 : 0o644, target });
    if (found.entries.length > most.files || bytes > most.bytes)
      throw new Fault(
        'failed',
        `${root} is larger than ${most.files} files or ${most.bytes / 2 ** 30} GiB. ${nothing}: name a smaller part of it.`,
      );
    if (kind === 'directory') await list(name);
  }
  async function list(name: string): Promise<void> {
    for (const child of (await readdir(join(root, name))).sort()) {
      const path = name ? `${name}/${child}` : child;
      if (child.includes('\ufffd'))
        found.left.push(path); // no UTF-8: it can't be named
      else if (!skip?.test(child)) await look(path);
    }
  }
  for (const top of tops) await (top ? look(top) : list(''));
  return found;
}

/** A tar of what was found, all of it the sandbox user's. It fails where a file is not the one that was found. */
function tarOf(root: string, entries: readonly Entry[]): Readable {
  const tar = pack();
  async function add({ name, kind, size, mode, target }: Entry): Promise<void> {
    const header = { name, uid: 1000, gid: 1000, type: kind };
    if (kind === 'directory') return tar.entry({ ...header, mode: 0o755 }, '');
    if (kind === 'symlink') return tar.entry({ ...header, linkname: target }, '');
    const file = await open(join(root, name), constants.O_RDONLY | constants.O_NOFOLLOW);
    const now = await file.stat();
    if (!now.isFile() || now.size !== size) throw new Error(`${name} changed while it was read`);
    await new Promise<void>((resolve, reject) => {
      const entry = tar.entry({ ...header, mode, size }, (error) => (error ? reject(error) : resolve()));
      if (size === 0) entry.end();
      else
        file
          .createReadStream({ end: size - 1, autoClose: false })
          .on('error', reject)
          .pipe(entry);
    }).finally(() => file.close());
  }
  const all = async () => {
    for (const entry of entries) await add(entry);
    tar.finalize();
  };
  all().catch((error: unknown) => tar.destroy(error instanceof Error ? error : new Error(messageOf(error))));
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
  if (source.form === 'directory') {
    const { entries, left } = await find(source.from, [''], /^\.git$/i);
    await put('/workspace', tarOf(source.from, entries));
    return left;
  }
  const clone = mkdtempSync(join(tmpdir(), 'pocketcoder-clone-'));
  try {
    const format = await cloneInto(clone, source);
    const tops = (await readdir(clone)).filter((name) =>
      ['HEAD', 'packed-refs', 'refs', 'objects', 'shallow'].includes(name),
    );
    const { entries } = await find(clone, tops, undefined);
    const tar = pack();
    tar.entry({ name: 'config', uid: 1000, gid: 1000 }, configOf(format));
    tar.finalize();
    await put('/base', tar);
    await put('/base', tarOf(clone, entries));
    return [];
  } finally {
    rmSync(clone, { recursive: true, force: true });
  }
}

/** Not the clone's own, which names its source. */
const configOf = (format: string): string =>
  format === 'sha1'
    ? '[core]\n\trepositoryformatversion = 0\n\tbare = true\n'
    : `[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = ${format}\n`;

/** A bare clone by this person's own git and credentials: no file of it is checked out, no hook or filter run. */
async function cloneInto(dir: string, { from, name }: Source): Promise<string> {
  const env = {
    GIT_ALLOW_PROTOCOL: schemes,
    ...(process.stdin.isTTY ? {} : { GIT_TERMINAL_PROMPT: '0', GIT_ASKPASS: 'false', SSH_ASKPASS: 'false' }),
  };
  const safe = ['core.hooksPath=/dev/null', 'core.fsmonitor=false', 'submodule.recurse=false'];
  // What it says may hold credentials of the address.
  const git = (...args: string[]) =>
    run('git', [...safe.flatMap((one) => ['-c', one]), ...args], silent, env);
  try {
    await git('clone', '--quiet', '--bare', '--no-local', '--template=', '--', from, dir);
    return await git('--git-dir', dir, 'rev-parse', '--show-object-format');
  } catch (error) {
    const why = messageOf(error).replaceAll(from, name);
    throw new Fault(
      'failed',
      `${why}\n${nothing}: see that git clone ${name} works here, then say the same again.`,
    );
  }
}
