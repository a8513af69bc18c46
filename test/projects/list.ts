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
    test: 'npx tape "test/*.js"',
    edit: { path: 'index.js', old: 'function isNumber(x) {', new: 'function isNumber(x) {\n\treturn false;' },
  },
  {
    name: 'concat-map',
    registry: 'npm',
    version: '0.0.2',
    digest: 'xGo3rY/AH8WxqkYSvsNV9yB79sN2oNVOXnmSMYLx28CVFBsXiEFCkcf6WIiWjk5VWKr4/1fV+KG5I4442xE2hg==',
    test: 'npx tape "test/**/*.js"',
    edit: { path: 'index.js', old: 'res.push.apply(res, x);', new: 'res.push(x);' },
  },
  {
    name: 'toposort',
    registry: 'npm',
    version: '2.0.2',
    digest: '0a5EOkAUp8D4moMi2W8ZF8jcga7BgZd91O/yabJCFY8az+XSzeGyTKs0Aoo897iV1Nj6guFq8orWDS96z91oGg==',
    test: 'npm test',
    edit: {
      path: 'index.js',
      old: 'return toposort(uniqueNodes(edges), edges)',
      new: 'return toposort(uniqueNodes(edges), edges).reverse()',
    },
  },
  {
    name: 'hash-sum',
    registry: 'npm',
    version: '2.0.0',
    digest: 'WdZTbAByD+pHfl/g9QSsBIIwy8IT+EsPiKDs0KNX+zSHhdDLFKdZu0BQHljvO+0QI/BasbMSUa8wYNCZTvhslg==',
    test: 'npx tape test.js',
    edit: { path: 'hash-sum.js', old: "hash = '0' + hash;", new: "hash = '00' + hash;" },
  },
  {
    name: 'functional-red-black-tree',
    registry: 'npm',
    version: '1.0.1',
    digest: 'dsKNQNdj6xA3T+QlADDA7mOSlX0qiMINjn0cgr+eGHGsbSHzTabcIogz2+p/iqP1Xs6EP/sS2SbqH+brGTbq0g==',
    test: 'npm test',
    edit: { path: 'rbtree.js', old: 'return this.root._count', new: 'return this.root._count + 1' },
  },
  {
    name: 'toolz',
    registry: 'pypi',
    version: '1.0.0',
    digest: '2c86e3d9a04798ac556793bced838816296a2f085017664e4995cb40a1047a02',
    more: 'pytest',
    test: '.venv/bin/pytest -q toolz',
    edit: {
      path: 'toolz/itertoolz.py',
      old: '    seq = iter(seq)\n    next(seq)\n    return next(seq)\n',
      new: '    seq = iter(seq)\n    return next(seq)\n',
    },
  },
  {
    name: 'itsdangerous',
    registry: 'pypi',
    version: '2.2.0',
    digest: 'e0050c0b7da1eea53ffaf149c0cfbb5c6e2e2b69c4bef22c81fa6eb73e5f6173',
    more: 'pytest freezegun',
    test: '.venv/bin/pytest -q',
    edit: {
      path: 'src/itsdangerous/encoding.py',
      old: 'return base64.urlsafe_b64encode(string).rstrip(b"=")',
      new: 'return base64.urlsafe_b64encode(string)',
    },
  },
  {
    name: 'more_itertools',
    registry: 'pypi',
    version: '10.8.0',
    digest: 'f638ddf8a1a0d134181275fb5d58b086ead7c6a72429ad725c67503f13ba30bd',
    test: '.venv/bin/python -m unittest -q tests.test_recipes',
    edit: {
      path: 'more_itertools/recipes.py',
      old: '        for second in iterator:\n            return False\n',
      new: '        for second in iterator:\n            return True\n',
    },
  },
  {
    name: 'packaging',
    registry: 'pypi',
    version: '25.0',
    digest: 'd443872c98d677bf60f6a1f2f8c1cb748e8fe762d2bf9d3148b5599295b0fc4f',
    more: 'pytest pretend',
    test: '.venv/bin/pytest -q tests/test_utils.py tests/test_requirements.py',
    edit: {
      path: 'src/packaging/utils.py',
      old: 'value = _canonicalize_regex.sub("-", name).lower()',
      new: 'value = _canonicalize_regex.sub("-", name)',
    },
  },
  {
    name: 'pluggy',
    registry: 'pypi',
    version: '1.6.0',
    digest: '7dcc130b76258d33b90f61b658791dede3486c3e6bfb003ee5c9bfb396dd22f3',
    more: 'pytest',
    test: '.venv/bin/pytest -q',
    edit: {
      path: 'src/pluggy/_callers.py',
      old: '        if firstresult:  # first result hooks return a single value\n',
      new: '        if not firstresult:  # first result hooks return a single value\n',
    },
  },
];
