/** A difference as a page: what was added and removed in which line, and nothing of the text is markup. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffPage } from '../../bot/src/room/diff-page.ts';

const diff = ` src/sum.ts | 4 ++--
 1 file changed

diff --git a/src/sum.ts b/src/sum.ts
index 111..222 100644
--- a/src/sum.ts
+++ b/src/sum.ts
@@ -9,3 +9,3 @@ export
 const a = 1;
-<script>alert(1)</script>
+const b = "\u202e";
 diff --git a/x b/x
\\ No newline at end of file
diff --git a/gone b/gone
deleted file mode 100644
--- a/gone
+++ /dev/null
@@ -1 +0,0 @@
---- a/line of dashes
diff --git a/logo.png b/logo.png
Binary files differ
`;
const page = diffPage('#7 · what changed in <shop>', diff);

test('each line has its number and what became of it; each file its name and counts', () => {
  const rows = [...page.matchAll(/<div class="(.)"><b>(\d*)<\/b><span>(.*?)<\/span>/g)].map((m) =>
    m.slice(1, 4),
  );
  assert.deepEqual(rows.slice(3, 9), [
    ['h', '', '@@ -9,3 +9,3 @@ export'],
    ['c', '9', ' const a = 1;'],
    ['d', '10', '-&lt;script&gt;alert(1)&lt;/script&gt;'],
    ['a', '10', '+const b = &quot;\\u{202E}&quot;;'],
    ['c', '11', ' diff --git a/x b/x'],
    ['m', '', '\\ No newline at end of file'],
  ]);
  assert.ok(rows.some(([kind, n, text]) => kind === 'd' && n === '1' && text === '---- a/line of dashes'));
  const names = [...page.matchAll(/<summary>(.*?)<\/summary>/g)].map(([, name]) => name);
  assert.deepEqual(names, ['src/sum.ts <small>+1 −1</small>', 'gone <small>+0 −1</small>', 'logo.png']);
});

test('nothing of the text is markup, nothing runs, and nothing is fetched', () => {
  assert.ok(!/<script|\u202e|<shop>/.test(page));
  assert.match(page, /content="default-src 'none'; style-src 'unsafe-inline'"/);
  assert.ok(!/src=|href=|url\(/.test(page));
});
