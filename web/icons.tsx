/** Line drawings for buttons: drawn here, because not every system has the characters. 16 by 16, in the colour of the text. */
const PATHS = {
  run: 'M4 2.5v11l9-5.5z',
  pause: 'M4 3h3v10H4zM9 3h3v10H9z',
  into: 'M8 1.5v7M4.8 5.6 8 8.8l3.2-3.2M8 13a1.2 1.2 0 1 0 0-.01',
  over: 'M2.5 8.5C3.5 4 11 3 13 7.5M13.6 3.6v4.2H9.4M8 13a1.2 1.2 0 1 0 0-.01',
  out: 'M8 9V2M4.8 5 8 1.8 11.2 5M8 13a1.2 1.2 0 1 0 0-.01',
  back: 'M13 8H3.5M7 4 3 8l4 4',
  'back-interrupt': 'M13.5 8H7M9.5 5 6.5 8l3 3M3 3v10',
  interrupt: 'M9 1.5 4 9h4l-1 5.5L12 7H8z',
  close: 'M4 4l8 8M12 4l-8 8',
  up: 'M4 10l4-4 4 4',
  down: 'M4 6l4 4 4-4',
  light: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6M8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.4 1.4M11.6 11.6 13 13M13 3l-1.4 1.4M4.4 11.6 3 13',
  dark: 'M13 9.5A5.6 5.6 0 0 1 6.5 3 5.6 5.6 0 1 0 13 9.5z',
  load: 'M8 10V2M5 4.8 8 1.8l3 3M2.5 10v3.5h11V10',
  machine: 'M4.5 4.5h7v7h-7zM6.5 2v2.5M9.5 2v2.5M6.5 11.5V14M9.5 11.5V14M2 6.5h2.5M2 9.5h2.5M11.5 6.5H14M11.5 9.5H14',
  help: 'M5.5 6a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.8-1.1 1.8M8 12.9v.2',
} as const;
export type IconName = keyof typeof PATHS;

const SOLID: ReadonlySet<IconName> = new Set(['run', 'pause', 'interrupt']);

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <path
        d={PATHS[name]}
        fill={SOLID.has(name) ? 'currentColor' : 'none'}
        stroke="currentColor"
        stroke-width="1.5"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
