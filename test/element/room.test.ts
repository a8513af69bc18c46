/** A day with a paired phone, on one composed instance with a scripted model. */
import { after, before } from 'node:test';
import { closeStage, openStage, type Stage } from './stage.ts';
import { absence } from './stories/absence.ts';
import { answers } from './stories/answers.ts';
import { kinds } from './stories/kinds.ts';
import { messages } from './stories/messages.ts';
import { notifications } from './stories/notifications.ts';
import { threads } from './stories/threads.ts';
import { missing } from './story.ts';

let stage: Stage;
before(async () => {
  if (!missing) stage = await openStage();
});
after(() => closeStage(stage));

const on = (): Stage => stage;
answers(on);
messages(on);
absence(on);
notifications(on);
threads(on);
kinds(on);
