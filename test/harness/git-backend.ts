/** Bare repositories as git's own CGI serves them (git-http-backend), for an origin of a test. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Serve } from './origin.ts';

/** Makes empty repositories that may be pushed to. @returns where they are, and what serves them below `/` */
export function makeRepositories(...names: string[]): { root: string; serve: Serve; remove(): void } {
  const root = mkdtempSync(join(tmpdir(), 'repositories-'));
  for (const name of names) {
    execFileSync('git', ['init', '-q', '--bare', '-b', 'main', join(root, name)]);
    execFileSync('git', ['-C', join(root, name), 'config', 'http.receivepack', 'true']);
  }
  const serve: Serve = async (req, res, body) => {
    const [path = '', query = ''] = String(req.url).split('?');
    const child = spawn('git', ['http-backend'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {
        ...{ PATH: process.env['PATH'], GIT_PROJECT_ROOT: root, GIT_HTTP_EXPORT_ALL: '1' },
        ...{ PATH_INFO: path, QUERY_STRING: query, REQUEST_METHOD: req.method, REMOTE_ADDR: '127.0.0.1' },
        ...{ CONTENT_TYPE: req.headers['content-type'], CONTENT_LENGTH: String(body.length) },
        HTTP_CONTENT_ENCODING: req.headers['content-encoding'],
        GIT_PROTOCOL: String(req.headers['git-protocol'] ?? ''),
      },
    });
    child.stdin.on('error', () => {}); // what it refuses it does not read to the end
    child.stdin.end(body);
    const answer = await buffer(child.stdout);
    const end = answer.indexOf('\r\n\r\n');
    const lines = answer.subarray(0, end).toString().split('\r\n');
    const headers = new Map(lines.map((line) => line.split(': ', 2) as [string, string]));
    res.statusCode = Number.parseInt(headers.get('Status') ?? '200', 10);
    headers.delete('Status');
    res.setHeaders(headers).end(answer.subarray(end + 4));
  };
  return { root, serve, remove: () => rmSync(root, { recursive: true }) };
}
