import type { StepKind } from './protocol.ts';

/** What a key or button does: a step, running and pausing, or going to the next processor or panel. */
export type Action = StepKind | 'run' | 'next-cpu' | 'previous-cpu' | 'next-panel' | 'previous-panel';

/** The keys, as debuggers have them; F7 and F8 go back. One list for the handler, the buttons and the help. */
export const KEYS: readonly { key: string; shift?: boolean; action: Action; label: string; shown: string }[] = [
  { key: 'F5', action: 'run', label: 'Run, pause', shown: 'F5' },
  { key: 'F11', action: 'into', label: 'Step into', shown: 'F11' },
  { key: 'F10', action: 'over', label: 'Step over', shown: 'F10' },
  { key: 'F11', shift: true, action: 'out', label: 'Step out', shown: 'Shift+F11' },
  { key: 'F9', action: 'interrupt', label: 'Next interrupt', shown: 'F9' },
  { key: 'F8', action: 'back', label: 'Step back', shown: 'F8' },
  { key: 'F7', action: 'back-over', label: 'Step back over a call', shown: 'F7' },
  { key: 'F8', shift: true, action: 'back-out', label: 'Back to the call of this function', shown: 'Shift+F8' },
  { key: 'F9', shift: true, action: 'back-interrupt', label: 'Back to the last interrupt', shown: 'Shift+F9' },
  { key: 'F5', shift: true, action: 'back-breakpoint', label: 'Run back to a breakpoint', shown: 'Shift+F5' },
  { key: 'F4', action: 'next-cpu', label: 'Next processor, where there are several', shown: 'F4' },
  { key: 'F4', shift: true, action: 'previous-cpu', label: 'Previous processor', shown: 'Shift+F4' },
  { key: 'F6', action: 'next-panel', label: 'Next panel', shown: 'F6' },
  { key: 'F6', shift: true, action: 'previous-panel', label: 'Previous panel', shown: 'Shift+F6' },
];

/** What a key press means, or null. */
export function keyFor(event: Pick<KeyboardEvent, 'key' | 'shiftKey' | 'altKey' | 'ctrlKey' | 'metaKey'>): Action | null {
  if (event.altKey || event.ctrlKey || event.metaKey) return null;
  return KEYS.find(k => k.key === event.key && Boolean(k.shift) === event.shiftKey)?.action ?? null;
}

/** How a key is shown for an action; '' when it has none. */
export const shownKey = (action: Action): string => KEYS.find(k => k.action === action)?.shown ?? '';
