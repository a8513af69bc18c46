/** A day with a paired phone, on one composed instance with a scripted model. */
import { after, before } from 'node:test';
import { bridgeAddress } from '../harness/instance.ts';
import { startTranscriber, type Transcriber, writerSettings } from '../harness/transcriber.ts';
import { closeStage, openStage, type Stage } from './stage.ts';
import { absence } from './stories/absence.ts';
import { answers } from './stories/answers.ts';
import { kinds } from './stories/kinds.ts';
import { messages } from './stories/messages.ts';
import { notifications } from './stories/notifications.ts';
import { threads } from './stories/threads.ts';
import { work } from './stories/work.ts';
import { missing } from './story.ts';

let stage: Stage;
let writer: Transcriber;
before(async () => {
  if (missing) return;
  writer = await startTranscriber({ host: await bridgeAddress() });
  stage = await openStage({ overrides: { transcription: writerSettings(writer) } });
});
after(async () => {
  await closeStage(stage);
  await writer?.stop();
});

const on = (): Stage => stage;
answers(on);
messages(on);
absence(on);
notifications(on);
threads(on);
kinds(on);
work(on);
