/** What comes of each scenario of the suite through the gateway, and why one fails there. Directly all pass. */

const data = 'what a server answers is data: the agent has it as fenced text, and pictures beside it';
const unasked = 'what a server says unasked goes nowhere, so nothing is logged';
const asks = 'a server may ask neither the model nor a person for anything';
const later = 'what a server tells later would come without an approval';
const prompts = 'not offered: a prompt is a server’s words in the owner’s place';
const resources = 'the gateway has tools alone: what a server has to read is read by them';

/** Why it fails; '' where it passes. */
export const expected: Readonly<Record<string, string>> = {
  'server-initialize': '',
  ping: '',
  'tools-list': '',
  'tools-call-simple-text': '',
  'tools-call-image': '',
  'tools-call-error': '',
  'tools-call-with-progress': '',
  'server-sse-multiple-streams': '',
  'dns-rebinding-protection': '',
  'tools-call-audio': data,
  'tools-call-embedded-resource': data,
  'tools-call-mixed-content': data,
  'tools-call-with-logging': unasked,
  'logging-set-level': unasked,
  'tools-call-sampling': asks,
  'tools-call-elicitation': asks,
  'elicitation-sep1034-defaults': asks,
  'elicitation-sep1330-enums': asks,
  'completion-complete': prompts,
  'prompts-list': prompts,
  'prompts-get-simple': prompts,
  'prompts-get-with-args': prompts,
  'prompts-get-embedded-resource': prompts,
  'prompts-get-with-image': prompts,
  'resources-list': resources,
  'resources-read-text': resources,
  'resources-read-binary': resources,
  'resources-templates-read': resources,
  'resources-subscribe': later,
  'resources-unsubscribe': later,
};

/** The table of docs/servers.md. */
export const table = (): string =>
  [
    '| scenario | direct | through the gateway | why |',
    '|---|---|---|---|',
    ...Object.entries(expected).map(
      ([name, why]) => `| ${name} | passes | ${why ? 'fails' : 'passes'} | ${why} |`,
    ),
  ].join('\n');
