/** Loaded before the programs that start what they have to take away again. */
import { outliveReader } from '../reader.ts';

outliveReader();
