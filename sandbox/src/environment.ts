/**
 * What our own programs in an image have in place of what an image of the owner's own sets: some begin as root where the agent's work
 * lies, so nothing that stands there may be found by a name or be read by a shell. Scripts have another (script.ts).
 */
export const environment = [
  'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
  ...['BASH_ENV=', 'LD_PRELOAD=', 'LD_LIBRARY_PATH='],
];
