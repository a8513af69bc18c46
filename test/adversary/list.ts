/** The attacks that the project means to withstand, by number: what holds against each, and whether a test shows it yet. */

export type Attack = {
  number: number;
  attack: string;
  guarantee: string;
  /** `tested`: tests named attack-NN show the whole of it. `partial`: they show what `open` does not name. `planned`: none yet. */
  state: 'tested' | 'partial' | 'planned';
  open?: string;
};

type Row = readonly [
  number: number,
  attack: string,
  guarantee: string,
  state: Attack['state'],
  open?: string,
];

const rows: readonly Row[] = [
  [
    1,
    'the server forges a plain approving reaction',
    'what is not encrypted, or carries no sealed key, approves nothing',
    'tested',
  ],
  [
    2,
    'a stolen token, or a fresh device of the account',
    'without the owner’s keys nothing is read and nothing approved',
    'tested',
  ],
  [
    3,
    'a device signed by a thief of the recovery key',
    'a device reads and decides only once it is enrolled',
    'tested',
  ],
  [
    4,
    'the owner’s identity is reset',
    'open cards are void, and nothing counts until the owner is paired again',
    'tested',
  ],
  [5, 'the sender of a genuine ciphertext is swapped', 'the sender is who encrypted it', 'tested'],
  [6, 'a crypto library with a known hole', 'its version has a floor', 'tested'],
  [7, 'a key from a backup or a forward', 'forwarded and backed-up keys prove nothing', 'tested'],
  [8, 'a ciphertext is replayed, an event delivered again', 'every message counts once', 'tested'],
  [
    9,
    'a clear relation is pointed at another card',
    'what is decided stands inside the ciphertext',
    'tested',
  ],
  [
    10,
    'a yes held back until too late, a yes after a no',
    'the ledger’s clock and the first decision stand; a no before the claim wins',
    'tested',
  ],
  [11, 'forged timestamps', 'no decision reads the server’s clock', 'tested'],
  [
    12,
    'the room’s encryption is taken away',
    'nothing is ever sent or heard in the clear; the room guard stops posting',
    'tested',
  ],
  [
    13,
    'a ghost member, changed power levels or visibility',
    'cards go to enrolled devices; the room guard stops posting',
    'tested',
  ],
  [14, 'a look-alike card of somebody else', 'only cards that this bot sent take answers', 'tested'],
  [15, 'confusable user ids', 'exact ids and pinned keys only', 'tested'],
  [16, 'an empty or wildcard owner', 'the bot refuses to start', 'tested'],
  [17, 'edits of a card or of a decision', 'edits decide nothing', 'tested'],
  [
    18,
    'redactions of a card or of a decision',
    'they can only deny; the ledger stands alone, and the audit names a card that was removed',
    'tested',
  ],
  [19, 'the bot’s own events', 'the bot’s account never counts', 'tested'],
  [
    20,
    'a stranger starts a verification',
    'only the operator’s window, the person named, and what was compared there enrol',
    'tested',
  ],
  [
    21,
    'a sealed key is guessed or used again',
    'a guess costs its card the taps, once; a spent key explains itself',
    'tested',
  ],
  [22, 'the agent’s words describe something else', 'a card is made from the action alone', 'tested'],
  [
    23,
    'a long command whose harmful end is cut off',
    'what is not shown whole takes only the code at the end of its file',
    'tested',
  ],
  [24, 'invisible and confusable characters', 'they are shown, what runs is unchanged', 'tested'],
  [25, 'terminal escapes in commands and output', 'they are shown or stripped', 'tested'],
  [26, 'markup injected into a card', 'both bodies come from one escaped tree', 'tested'],
  [27, 'a flood of newlines', 'the header comes first and counts lines, floods are shown as such', 'tested'],
  [
    28,
    'a flood of cards',
    'a task has three open cards; after denials, and beyond twenty a minute, the agent has to wait',
    'tested',
  ],
  [29, 'two cards alike, a tap on the wrong one', 'the card names its chip, the decoy denies', 'tested'],
  [30, 'a prompt injection', 'the gate stands outside the model', 'tested'],
  [31, 'the agent reaches for other parts', 'there is no route', 'tested'],
  [
    32,
    'a script, or a file that it names, is changed after its approval, or a link is put where an action on a file goes',
    'the digest binds its text, directory, variables and limit, and its card the files that it names, looked at again before the claim; an action on a file goes through no link, from one open directory to the next',
    'tested',
  ],
  [33, 'shell tricks against text rules', 'there are no text rules', 'tested'],
  [
    34,
    'a lease is widened',
    'leases bind exact actions, one kind below a path, or one task’s reads, counted and ended',
    'tested',
  ],
  [35, 'the agent edits its own policy', 'policy is out of its reach', 'tested'],
  [
    36,
    'a tool server changes after its approval',
    'a pin holds each tool whole, its server’s image, command and protocol; what is not that is not called, and the owner is told',
    'tested',
  ],
  [
    37,
    'requests to inner addresses',
    'the sandbox has no network; a lease names hosts by their names, and addresses inside are refused',
    'tested',
  ],
  [
    38,
    'exfiltration through an approved host',
    'each way out has a card of its own, signed: destinations, bytes and time are limited, and it ends with a stop of its task, 🛑 and all parts that hold it',
    'tested',
  ],
  [39, 'output that forges a status', 'the status comes from the runner’s wait', 'tested'],
  [
    40,
    'ledger entries changed, removed or inserted',
    'refused live; nothing goes on after one; found by the audit',
    'tested',
  ],
  [
    41,
    'the ledger rolled back or forked',
    'bot and executor keep what they saw of it, each outside of it, and go by none that lacks it; the audit compares',
    'tested',
  ],
  [
    42,
    'processes killed at any step',
    'nothing is lost, nothing runs twice',
    'partial',
    'kills at random steps are played by hand (`npm run chaos`): forty rounds would take too much of what CI has',
  ],
  [43, 'escape and exhaustion of a container', 'caps and limits hold', 'tested'],
  [44, 'secrets in logs and lists', 'none is written', 'tested'],
  [
    45,
    'chat and commands from an unenrolled device, in the clear, or replayed',
    'every event has to pass all rules before it is heard; what does not raises an alarm, rate-limited',
    'tested',
  ],
  [
    46,
    'a card’s ciphertext under another card’s id',
    'the answer comes out of the ciphertext that was shown',
    'tested',
  ],
  [
    47,
    'a hidden device reads cards from the key backup',
    'it can never sign; that it can tap where taps are taken is the documented limit of `sealed`',
    'tested',
  ],
  [48, 'an enrolled device id with new keys', 'devices are enrolled by their keys', 'tested'],
  [
    49,
    'keys, nonces or codes readable somewhere',
    'open secrets stand in no clear text, log, ledger entry or other message: refused at the sender',
    'tested',
  ],
  [50, 'old codes, votes or taps released later', 'every secret is for one card, once', 'tested'],
  [51, 'a member who is no approver', 'reads nothing, and no answer of theirs counts', 'tested'],
  [
    52,
    'a part opens the engine’s socket or another’s files',
    'each part is a container of its own',
    'tested',
  ],
  [
    53,
    'a script that keeps its killer from its work',
    'what ends scripts is out of their reach; where a stop or a limit brings no end within 10 s, the whole container is ended',
    'tested',
  ],
  [
    54,
    'outputs as large as they may be, several at once',
    'no part holds one whole: they go from file to ledger, one at a time; the phone gets what it can take',
    'tested',
  ],
  [
    55,
    'months of use make each judgement slower until nothing can be approved',
    'judged by a folded state, which what is over leaves',
    'tested',
  ],
  [
    56,
    'a clock that went back counts again after one other entry',
    'it is compared with the latest moment that any entry states',
    'tested',
  ],
  [
    57,
    'a workspace that changes between the card of an undo and its yes',
    'the approved text stands for the very tree; another takes no undo, and nothing writes beside one',
    'tested',
  ],
  [
    58,
    'links in a workspace that lead a snapshot or an undo out of it',
    'every step is taken from an open directory, through no link, where nothing else is mounted',
    'tested',
  ],
  [
    59,
    'an agent or a host that would have a secret of the operator’s',
    'the operator binds it to one host; only the proxy of a lease that names it shows it there, and of a git host it passes on git’s own answers alone',
    'tested',
  ],
  [
    60,
    'a push that brings something else than its card says',
    'one commit to one branch, compared with the card’s text before it leaves, from a container in which nothing of the agent’s runs, never by force',
    'tested',
  ],
  [
    61,
    'what a program prints, or what is typed, reaches through the terminal that looks at it',
    'no key is forwarded, by a client that is read-only besides; no clipboard, title or passed-through sequence gets to the owner’s terminal',
    'tested',
  ],
  [
    62,
    'a terminal whose executor is gone for good',
    'its container ends by itself at the approved time: its first process has the clock, which nothing of the agent’s reaches',
    'tested',
  ],
  [
    63,
    'a merge that settings, attributes or hooks of the agent’s make something else than its card shows',
    'it is made by git settings of ours, of exactly that commit into exactly the one that was shown',
    'tested',
  ],
  [
    64,
    'an action that is only to be tried changes something, or is taken for approved by that',
    'it runs in a copy of the workspace, without any way out, and what waits goes on waiting for its own answer',
    'tested',
  ],
  [
    65,
    'what is done apart reaches the workspace without its card, or another thing is merged than that shows',
    'which tree an action works in is told by its own text; a merge is compared with the card’s text by the bytes of both trees, whole or not at all',
    'tested',
  ],
  [
    66,
    'what is asked aside acts, or changes what its task does',
    'it is asked in a copy of the conversation that is offered no tool, of ours or of its own; the conversation hears nothing of it',
    'tested',
  ],
  [
    67,
    'an option of an agent’s question that reads like a command, a yes or a card’s code, and is voted for',
    'a vote on a question is words to its task: it is parsed as nothing, and an enrolled device alone gives it',
    'tested',
  ],
  [
    68,
    'a voice message that says a command or a yes, or a transcription endpoint that writes down another thing',
    'what is written down is shown below the message and is words to the agent, parsed as nothing; an enrolled device alone is heard',
    'tested',
  ],
  [
    69,
    'a schedule acts in the night without a card, or goes on in the name of somebody who lost their role',
    'what comes by the clock is words, or is asked for by a card like any; it is over with its maker’s role',
    'tested',
  ],
  [
    70,
    'a tool server’s tool that is called like one of ours, or like another',
    'it goes by its server’s name, which no tool of ours has; what differs by case alone, or has no plain name, is refused at the look',
    'tested',
  ],
  [
    71,
    'a tool server’s words that give orders, to the owner or to the agent',
    'its instructions go nowhere; a tool’s words are shown to the letter, and the agent has them as data, with whose they are',
    'tested',
  ],
  [
    72,
    'a call of a tool or a server that nobody pinned',
    'ledger and executor take calls of what a pin of that workspace holds now, in the class that its owner gave it',
    'tested',
  ],
  [
    73,
    'a helper calls its agent’s tools: by another agent’s name for them, or as a step of a plan',
    'the gateway knows whose call it is, and refuses a tool that the helper’s file does not name; nothing is asked',
    'tested',
  ],
  [
    74,
    'a helper of a helper hands work on, or an agent begins helpers without end, or in place of the plan that is wanted first',
    'who hands on, and how deep, is told by the task’s id: two deep, four at once for a task, none before its plan',
    'tested',
  ],
  [
    75,
    'a helper’s result speaks as the owner: a command, a yes, words that have its agent go on',
    'it reaches its agent fenced, as data; nothing parses it, and it ends no stop',
    'tested',
  ],
  [
    76,
    'a helper goes on after its task was stopped, or acts by what its agent’s task was given',
    'a stop is for the task and all below it; a helper’s task is its own, so no grant by task covers it',
    'tested',
  ],
  [
    77,
    'settings or programs that one action leaves in its home act in a later one, which another card let run',
    'home, /tmp and /dev/shm are empty when an action begins, but for caches',
    'tested',
  ],
  [
    78,
    'a pipe, a device or an odd name where a search, a merge or an export would read',
    'looked at first, left out and named; every helper has a time limit',
    'tested',
  ],
  [
    79,
    'a stranger, or the server in the name of one, sends the bot’s device messages without end',
    'of nobody but who belongs in a room of the bot’s anything reaches the key store',
    'tested',
  ],
  [
    80,
    'a script uses up what the kernel gives each user of the machine, inotify instances and their kind, so that its user 1000 has none',
    'scripts run as a uid of their own, far from people’s: they use up its limits alone',
    'tested',
  ],
  [
    81,
    'an exported audit trail that was changed, cut, put in another order or forged whole with right hashes',
    'a program of its own reads it again from its bytes to all that the rules ask of each entry, and holds it to whatever checkpoint somebody kept, a part to a root alone; it says what that cannot show',
    'tested',
  ],
  [
    82,
    'markup, or characters that move the rest about, in what the timeline’s page shows; a look that would write',
    'the page takes the ledger’s text as text alone, names what is unseen, and runs only its own files; a look reads, for hours',
    'tested',
  ],
  [
    83,
    'whoever answers for a model’s or a homeserver’s name turns it to the machine, to its network, or to another place',
    'looked up once a connection, judged, that very address dialled; where it led at first, outside or inside, it stays',
    'tested',
  ],
  [
    84,
    'a tool server’s image that would have a secret that is not for it, or says the one that it has',
    'the operator binds it to that image, and its pin to a variable; besides the executor that server’s environment alone has it, and it is struck out of all that the server says',
    'tested',
  ],
];

export const attacks: readonly Attack[] = rows.map(([number, attack, guarantee, state, open]) => ({
  number,
  attack,
  guarantee,
  state,
  ...(open && { open }),
}));

/** The number in a test's name (`attack-07 …`), if it is an attack's. */
export const attackOf = (name: string): number | undefined => {
  const digits = /^attack-(\d\d) /.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
};
