import type { StepKind } from './protocol.ts';

/** The keys, as debuggers have them; Ctrl+Shift goes backwards. One list for the handler, the buttons and the help. */
export const KEYS: readonly {
  key: string;
  shift?: boolean;
  ctrl?: boolean;
  action: StepKind | 'run';
  label: string;
  shown: string;
}[] = [
  { key: 'F5', action: 'run', label: 'Run / pause', shown: 'F5' },
  { key: 'F11', action: 'into', label: 'Step into', shown: 'F11' },
  { key: 'F10', action: 'over', label: 'Step over', shown: 'F10' },
  { key: 'F11', shift: true, action: 'out', label: 'Step out', shown: 'Shift+F11' },
  { key: 'F8', action: 'back', label: 'Step back', shown: 'F8' },
  { key: 'F7', action: 'back-over', label: 'Step back over', shown: 'F7' },
  { key: 'F9', action: 'interrupt', label: 'Next interrupt', shown: 'F9' },
  { key: 'F9', shift: true, action: 'back-interrupt', label: 'Previous interrupt', shown: 'Shift+F9' },
  { key: 'F5', shift: true, action: 'back-breakpoint', label: 'Run back to a breakpoint', shown: 'Shift+F5' },
];

/** What a key press means, or null. */
export function keyFor(event: KeyboardEvent): StepKind | 'run' | null {
  if (event.altKey || event.ctrlKey || event.metaKey) return null;
  return KEYS.find(k => k.key === event.key && Boolean(k.shift) === event.shiftKey)?.action ?? null;
}

/** How a key is shown for an action. */
export const shownKey = (action: StepKind | 'run'): string => KEYS.find(k => k.action === action)?.shown ?? '';
