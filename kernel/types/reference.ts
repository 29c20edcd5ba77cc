import { ptrTo } from './struct.ts';

/** A pointer to a structure by its NT name (`_KTHREAD`). The name is looked up in `index.ts` only when the debugger follows it, so that structures may refer to each other in circles. */
export const to = (name: string) => ptrTo(() => ({ name }));
