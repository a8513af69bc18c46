/** Chromium, where the machine has it: with an empty profile, and asking nobody for anything but the page. */
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const executablePath = '/usr/bin/chromium';
/** Why there is none, or false. */
export const withoutBrowser = existsSync(executablePath) ? false : 'there is no /usr/bin/chromium here';

/** Starts one; the caller closes it. */
export const startBrowser = () =>
  chromium.launch({
    executablePath,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
      ...['--disable-background-networking', '--disable-component-update'],
    ],
  });
