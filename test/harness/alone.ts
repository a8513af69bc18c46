/** How the gateway asks where nothing spares a card: no lease stands, and nothing is put together. */
export const alone = { covered: () => false, together: () => undefined };
