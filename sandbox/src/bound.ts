/**
 * The files of the workspace that a script names to the letter. They are looked at before its card is made, which says what they
 * are, and again before it begins: where one is another by then, nothing is run.
 */
import { posix } from 'node:path';
import { traits } from '../../ledger/rules/kinds.cjs';
import { bodyOf, last } from '../../ledger/rules/lifecycle.cjs';
import { mostFiles, mostPath, scriptsOf } from '../../ledger/rules/named.cjs';
import { treeOf } from '../../ledger/rules/workspaces.cjs';
import type { Named } from '../../ledger/src/bodies.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import type { Request } from './claim.ts';
import type { Context } from './step.ts';

type Scripts = ReturnType<typeof scriptsOf>;

/** Paths that are looked at for one card, and directories that a script goes to. */
const most = { paths: 4000, folders: 16 };
/** Whether no file system has such a name: of texts within quotes it is nearly always so. */
const isTooLong = (path: string): boolean => path.split('/').some((name) => Buffer.byteLength(name) > 255);
/** What a shell only writes to: it may hold whatever it does by then. */
const written = /(?:(?<![<=-])>>?|(?<![\w./-])tee(?:[ \t]+-a)?[ \t])[ \t]*[^\s"'`;&|<>(){}$\\]+/g;
/** What stands between words, also within quotes: `bash -c "./x;y"`, `A=./x`, `x.py::test`. */
const between = /[\s"'`;&|<>(){}[\]$=:,!*?#\\]+/;
/** A word as a shell takes it, with its quotes and backslashes: a name may have spaces. */
const word = /(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'\\;&|<>()])+/gs;

/** Every text in a script that may be a file's path, in the script's order, and the directories that it goes to. */
function wordsOf(script: string): { words: string[]; into: string[] } {
  const read = script.replace(written, ' ; ');
  const shell = (read.match(word) ?? []).map((one) => one.replace(/["']|\\(.)/gs, '$1'));
  const plain = read.split(between);
  const into = [shell, plain].flatMap((all) =>
    all.filter((_, i) => ['cd', 'pushd', '-C'].includes(all[i - 1] ?? '')),
  );
  return { words: [...shell, ...plain], into };
}

/** Whatever these scripts may mean by their words, as paths below the workspace. `more`: not all of it is among them. */
export function pathsOf(scripts: Scripts): { paths: string[]; more: boolean } {
  const paths = new Set<string>();
  const root = '/workspace';
  let more = false;
  for (const { script, cwd } of scripts) {
    const { words, into } = wordsOf(script);
    const start = posix.resolve(root, cwd);
    const folders = new Set([start, ...into.map((to) => posix.resolve(start, to))]);
    more ||= folders.size > most.folders;
    for (const folder of [...folders].slice(0, most.folders))
      for (const one of new Set(words)) {
        // Nobody approved this script yet, so it must cost no more than a moment.
        if (paths.size === most.paths) return { paths: [...paths], more: true };
        const path = posix.relative(root, posix.resolve(folder, one));
        if (path === '' || /^\.\.(\/|$)|\0/.test(path) || isTooLong(path)) continue;
        if (path.length <= mostPath) paths.add(path);
        else more = true;
      }
  }
  return { paths: [...paths], more };
}

/** Paths of what is not what it was said to be. Of what was said to be bound by nothing there is nothing to tell. */
export function changedIn(said: Named, now: Named): string[] {
  const [before, after] = [said, now].map(({ files }) => new Map(files.map((f) => [f.path, f.sha256])));
  return [...new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])])].filter((path) => {
    const was = before?.get(path) ?? (said.more ? '' : undefined);
    return was !== '' && was !== after?.get(path);
  });
}

export function makeBound({ book, tasks, write, log }: Pick<Context, 'book' | 'tasks' | 'write' | 'log'>) {
  /** Of plans: what their files are since one of their own steps ended. */
  const left = new Map<string, Named>();

  /** @throws Error where nobody can tell */
  async function look(request: Request, scripts: Scripts): Promise<Named> {
    const { paths, more } = pathsOf(scripts);
    if (paths.length === 0) return { files: [] };
    const hex = paths.map((path) => Buffer.from(path).toString('hex')).join(',');
    const { exit, text } = await tasks.keep(treeOf(request.action), 'named', hex);
    if (exit !== 0) throw new Error(text.trim());
    const found = [...text.matchAll(/^(\d+) (?:-|(\w+))$/gm)];
    const files = found.map(([, at, sum = '']) => ({ path: paths[Number(at)] ?? '', sha256: sum }));
    const all = more || files.length > mostFiles;
    return { files: files.slice(0, mostFiles), ...(all && { more: true }) };
  }

  /** What was said of the files of this action's scripts, or of all of its plan's. A lease goes by its text alone. */
  function saidOf({ id, action }: Request): { said: Named; scripts: Scripts; plan?: string } | undefined {
    const story = book.story(id);
    const leased = last(story, 'leased');
    if (!leased) {
      const named = last(story, 'named');
      return named && { said: bodyOf(named, 'named'), scripts: scriptsOf(action) };
    }
    const { lease: plan } = bodyOf(leased, 'leased');
    const { args: { steps } = {}, named } = book.state().grants.get(plan) ?? {};
    const said = left.get(plan) ?? named;
    if (!steps || !said) return undefined;
    return { plan, said, scripts: scriptsOf({ ...action, kind: 'plan', args: { steps, seconds: 1 } }) };
  }

  return {
    /** Somebody waits to make the card. Never rejects: without an entry the card says that nothing was looked at. */
    async say(request: Request): Promise<void> {
      const { id, digest } = request;
      const scripts = scriptsOf(request.action);
      if (scripts.length === 0) return;
      try {
        const named = await look(request, scripts);
        if (!last(book.story(id), 'leased'))
          await write({ kind: 'named', action: id, body: { digest, ...named } });
      } catch (error) {
        log.info({ action: id, err: error }, 'the files that it names are not on its card');
      }
    },
    /** Why the action cannot run, or ''. */
    async changed(request: Request): Promise<string> {
      const of = saidOf(request);
      if (!of) return '';
      try {
        const changed = changedIn(of.said, await look(request, of.scripts));
        if (changed.length === 0) return '';
        const since = of.plan ? "its plan's card was made, or a step of it ended" : 'its card was made';
        return `changed since ${since}: ${changed.join(', ')}. Nothing was run; ask again`;
      } catch (error) {
        return `the files that it names could not be looked at: ${messageOf(error)}. Nothing was run; ask again`;
      }
    },
    /** A step of a plan is over: what it changed is the plan's own doing. Never rejects. */
    async ended(request: Request): Promise<void> {
      const of = saidOf(request);
      if (!of?.plan || traits(request.action.kind).class === 'read') return;
      for (const plan of left.keys()) if (!book.state().grants.has(plan)) left.delete(plan);
      await look(request, of.scripts).then(
        (now) => left.set(of.plan ?? '', now),
        (error: unknown) =>
          log.warn({ action: request.id, err: error }, 'what its plan names was not looked at'),
      );
    },
  };
}
