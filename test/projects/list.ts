/** Ten projects of others, as their authors packed them, tests and all. Each is pinned by what its registry says of it. */

export type Project = {
  name: string;
  registry: 'npm' | 'pypi';
  version: string;
  /** Base64 of the SHA-512, or hex of the SHA-256. */
  digest: string;
  test: string;
  /** What else its tests need, besides itself. */
  more?: string;
  /** One line of its source, and what makes its tests fail. */
  edit: { path: string; old: string; new: string };
};

export const projects: readonly Project[] = [
  {
    name: 'minimist',
    registry: 'npm',
    version: '1.2.8',
    digest: '2yyAR8qBkN3YuheJanUpWC5U3bb5osDywNB8RzDVlDwDHbocAJveqqj1u8+SVD7jkWT4yvsHCpWqqWqAxb0zCA==',
    test: 'npm run tests-only',
    edit: {
      path: 'index.js',
      old: 'if ((/^0x[0-9a-f]+$/i).test(x)) { return true; }',
      new: 'if ((/^0x[0-9a-f]+$/i).test(x)) { return false; }',
    },
  },
  {
    name: 'through',
    registry: 'npm',
    version: '2.3.8',
    digest: 'w89qg7PI8wAdvX60bMDP+bFoD5Dvhm9oLheFp5O4a2QF0cSBGsBX4qZmadPMvVqlLJBBci+WqGGOAPvcDeNSVg==',
    test: 'npm test',
    edit: {
      path: 'index.js',
      old: '    return !stream.paused\n',
      new: '    return stream.paused\n',
    },
  },
  {
    name: 'split2',
    registry: 'npm',
    version: '4.2.0',
    digest: 'UcjcJOWknrNkF6PLX83qcHM6KHgVKNkV62Y8a5uYDVv9ydGQVwAHMKqHdJje1VTWpljG0WYpCDhrCdAOYH4TWg==',
    test: 'npm test',
    edit: {
      path: 'index.js',
      old: 'if (this.overflow && !this.skipOverflow) {',
      new: 'if (this.overflow && this.skipOverflow) {',
    },
  },
  {
    name: 'fast-uri',
    registry: 'npm',
    version: '4.2.4',
    digest: 'ARrctoImibWG27hlPe0Gc93d6HwZBYipqd9QhnXyYzS101vKmqx2J/1R8kzhnnYTph0umtJqu9rqIuYtVDaAOg==',
    test: 'npm test',
    edit: {
      path: 'lib/utils.js',
      old: 'RegExp.prototype.test.bind(/^\\d*$/u)',
      new: 'RegExp.prototype.test.bind(/^\\d+$/u)',
    },
  },
  {
    name: 'fastify-plugin',
    registry: 'npm',
    version: '6.0.1',
    digest: '4wW4RxSmvPXLrh5mgQEiu43qU3bw44N2ss4FTkTkQIbprUhE+/s43QX0j/ttcztdWK7PEkHqVthdc5GdEGDvjA==',
    test: 'npm run test:unit',
    edit: {
      path: 'lib/toCamelCase.js',
      old: 'return char.toUpperCase()',
      new: 'return char',
    },
  },
  {
    name: 'click',
    registry: 'pypi',
    version: '8.5.1',
    digest: '9bbfada76703fd1d784b83eea012e3e8c6a001a876543ef104fa56aaaeb072b4',
    more: 'pytest',
    test: '.venv/bin/python -m pytest -q',
    edit: {
      path: 'src/click/formatting.py',
      old: '    return ", ".join(x[1] for x in rv), any_prefix_is_slash',
      new: '    return " ".join(x[1] for x in rv), any_prefix_is_slash',
    },
  },
  {
    name: 'itsdangerous',
    registry: 'pypi',
    version: '2.2.0',
    digest: 'e0050c0b7da1eea53ffaf149c0cfbb5c6e2e2b69c4bef22c81fa6eb73e5f6173',
    more: 'pytest freezegun',
    test: '.venv/bin/python -m pytest -q',
    edit: {
      path: 'src/itsdangerous/encoding.py',
      old: 'return base64.urlsafe_b64encode(string).rstrip(b"=")',
      new: 'return base64.urlsafe_b64encode(string)',
    },
  },
  {
    name: 'toolz',
    registry: 'pypi',
    version: '1.2.0',
    digest: '9667a038e9d6ecba37995e26cb2f59ec6420b6ad8dd9677de59db9b956b08490',
    more: 'pytest',
    test: '.venv/bin/python -m pytest -q',
    edit: {
      path: 'toolz/itertoolz.py',
      old: '        return len(seq) == len(set(seq))',
      new: '        return len(seq) > len(set(seq))',
    },
  },
  {
    name: 'iniconfig',
    registry: 'pypi',
    version: '2.3.1',
    digest: '67f4b9c50da0dedf52af349e7749a80a9057a5031199791b906c3bb3ae878960',
    more: 'pytest',
    test: '.venv/bin/python -m pytest -q',
    edit: {
      path: 'src/iniconfig/_parse.py',
      old: '    c = line.lstrip()[:1]',
      new: '    c = line[:1]',
    },
  },
  {
    name: 'pluggy',
    registry: 'pypi',
    version: '1.7.0',
    digest: 'd1eaa46ebb595891b860ab086b4d09c8588af65ebd4361b8e8f4bb8920b90ba8',
    more: 'pytest',
    test: '.venv/bin/python -m pytest -q',
    edit: {
      path: 'src/pluggy/_caller.py',
      old: 'if res and result_callback is not None:',
      new: 'if not res and result_callback is not None:',
    },
  },
];
