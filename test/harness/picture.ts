/** The smallest picture there is: one pixel, as PNG. */
export const pixel = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

/** All pictures in the messages that a model was asked with, as the data URLs that they came as. */
export const picturesIn = (messages: readonly object[]): string[] =>
  [...JSON.stringify(messages).matchAll(/"image_url":\{"url":"(data:[^"]+)"/g)].map(([, url = '']) => url);
