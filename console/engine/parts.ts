/** The images, and exactly which files of the checkout each is made of. */
import { globSync } from 'node:fs';
import { checkout } from '../instance/paths.ts';

export type Part =
  | 'compose'
  | 'ledger'
  | 'homeserver'
  | 'entrance'
  | 'bot'
  | 'executor'
  | 'task'
  | 'brain'
  | 'proxy';
/** `folder` is the context's root in the checkout; `dockerfile` and `files` are relative to it. */
type Recipe = { folder: string; dockerfile: string; files: readonly string[] };

/** What `npm ci` reads: it wants every workspace's package.json, whichever of them it installs. */
const modules = [
  'package.json',
  'package-lock.json',
  '.npmrc',
  'ledger/package.json',
  'sandbox/package.json',
  'bot/package.json',
  'bot/crypto/package.json',
  'console/package.json',
  'test/phone/package.json',
  'config/build/node.lock.txt',
];

/** In the order in which they are built. */
export const recipes: Readonly<Record<Part, Recipe>> = {
  compose: { folder: '.', dockerfile: 'config/build/compose/Dockerfile', files: ['config/build'] },
  ledger: {
    folder: '.',
    dockerfile: 'ledger/Dockerfile',
    files: [...['Dockerfile', 'go.mod', 'go.sum', 'go-requirements.txt', 'pb_hooks', 'pb_migrations']]
      .map((name) => `ledger/${name}`)
      .concat(globSync(['ledger/*.go', 'ledger/rules/*.cjs'], { cwd: checkout })),
  },
  homeserver: { folder: '.', dockerfile: 'config/homeserver/Dockerfile', files: ['config/homeserver'] },
  entrance: {
    folder: '.',
    dockerfile: 'config/entrance/Dockerfile',
    files: ['Dockerfile', 'start', 'page.html'].map((name) => `config/entrance/${name}`),
  },
  bot: {
    folder: '.',
    dockerfile: 'bot/Dockerfile',
    files: [...modules, 'bot/Dockerfile', 'bot/src', 'bot/crypto', 'ledger/rules', 'ledger/src'],
  },
  executor: {
    folder: '.',
    dockerfile: 'sandbox/Dockerfile',
    files: [...modules, 'sandbox/Dockerfile', 'sandbox/src', 'ledger/rules', 'ledger/src'],
  },
  task: { folder: 'sandbox/image', dockerfile: 'Dockerfile', files: ['.'] },
  brain: {
    folder: '.',
    dockerfile: 'config/brain/Dockerfile',
    files: [
      ...['Dockerfile', 'package.json', 'package-lock.json', 'start'].map((name) => `config/brain/${name}`),
      'config/build/node.lock.txt',
    ],
  },
  proxy: {
    folder: '.',
    dockerfile: 'config/proxy/Dockerfile',
    files: ['config/proxy', 'config/build/node.lock.txt'],
  },
};
