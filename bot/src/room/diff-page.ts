/** A difference as a page to read on a phone: files that fold, lines by what became of them. Nothing in it runs or is fetched. */
import { escapeHtml, visible } from '../show/visible.ts';

const style = `:root{color-scheme:light dark;--add:#e6ffec;--del:#ffebe9;--dim:#59636e;--line:#d1d9e0}
@media(prefers-color-scheme:dark){:root{--add:#12351f;--del:#43191c;--dim:#9198a1;--line:#3d444d}}
body{margin:0;font:14px/1.4 system-ui,sans-serif}
h1{font-size:16px;margin:12px}
pre{margin:0;font:12px/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;tab-size:4}
pre.summary{margin:12px;color:var(--dim)}
details{border-top:1px solid var(--line)}
summary{position:sticky;top:0;background:Canvas;padding:10px 12px;overflow-wrap:anywhere;font-weight:600}
summary small{font-weight:400;color:var(--dim)}
div{display:flex}
div>b{flex:0 0 3.4em;text-align:right;padding-right:.6em;font-weight:400;color:var(--dim);user-select:none}
div>span{flex:1;min-width:0;padding-right:8px}
.a{background:var(--add)}.d{background:var(--del)}.h,.m{color:var(--dim)}`;

const row = (kind: string, number: number | '', text: string): string =>
  `<div class="${kind}"><b>${number}</b><span>${escapeHtml(text) || ' '}</span></div>`;

/** One file's part of a unified diff. (The form: "Detailed Description of Unified Format", GNU diffutils; git's own lines before it) */
function fileOf(part: string): string {
  const lines = part.replace(/\n$/, '').split('\n');
  const path = (at: string) => lines.find((line) => line.startsWith(at))?.slice(at.length);
  const [before, now] = [path('--- a/'), path('+++ b/')];
  const name = now ?? before ?? lines[0]?.replace(/^diff --git a\//, '').replace(/ b\/.*$/, '') ?? '';
  let [added, removed, old, next, inside] = [0, 0, 0, 0, false];
  const rows = lines.slice(1).map((line) => {
    const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(line);
    if (hunk) {
      [old, next, inside] = [Number(hunk[1]), Number(hunk[2]), true];
      return row('h', '', line);
    }
    if (!inside || line.startsWith('\\')) return row('m', '', line);
    if (line.startsWith('+')) added++;
    else if (line.startsWith('-')) removed++;
    else old++;
    if (line.startsWith('-')) return row('d', old++, line);
    return row(line.startsWith('+') ? 'a' : 'c', next++, line);
  });
  const counts = added + removed > 0 ? ` <small>+${added} −${removed}</small>` : '';
  return `<details open><summary>${escapeHtml(name)}${counts}</summary><pre>${rows.join('')}</pre></details>`;
}

/**
 * @param title of the page @param diff git's, with its summary before the first file
 * @returns a whole HTML document: whatever the text holds is text in it
 */
export function diffPage(title: string, diff: string): string {
  const [summary = '', ...files] = visible(diff).text.split(/^(?=diff --git )/m);
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title><style>${style}</style>
<h1>${escapeHtml(title)}</h1><pre class="summary">${escapeHtml(summary.trimEnd())}</pre>
${files.map(fileOf).join('\n')}
</html>
`;
}
