/** How the gateway asks where nothing spares a card: no lease stands, nothing is put together, said before or stopped. */
export const alone = {
  covered: () => false,
  together: () => undefined,
  halted: () => '',
  spoken: async () => {},
  planning: () => false,
  replacePlan: async () => {},
  close: async () => '',
  reached: () => [],
  question: async () => 'ASKED',
  crew: {
    agents: [],
    has: (_: string, tool: string) => !['handoff', 'assign', 'message', 'result'].includes(tool),
    over: () => '',
    hand: () => ({ wrong: 'there is nobody' }),
    message: () => 'there is nobody',
    result: () => 'you were handed no work',
  },
};
