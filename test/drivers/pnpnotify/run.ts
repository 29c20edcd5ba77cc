/** The test is a thread that sleeps until the device has started and its notifications have come: the machine has to go on until it has said that it is done. */
import { runUntilDone } from '../wait.ts';

export { runUntilDone as run };
