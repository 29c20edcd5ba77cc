import { useStatus } from './client.ts';

/** Processors that a machine can have. */
const MOST = 8;

/** The machine's settings, which are in the page's address: a machine with other ones is another machine, which starts from its reset. */
export function Settings({ onClose }: { onClose(): void }) {
  const cpus = useStatus(s => s.processors.length);
  const query = new URLSearchParams(location.search);
  const restart = (event: SubmitEvent): void => {
    event.preventDefault();
    const chosen = new FormData(event.currentTarget as HTMLFormElement);
    for (const name of ['cpus', 'seed']) {
      const value = String(chosen.get(name) ?? '');
      if (value === '' || value === '1') query.delete(name);
      else query.set(name, value);
    }
    location.search = query.toString();
  };
  return (
    <form
      class="help settings"
      role="dialog"
      aria-label="machine"
      data-testid="settings"
      onSubmit={restart}
      onKeyDown={event => {
        if (event.key === 'Escape') onClose();
      }}
    >
      <label>
        Processors
        <select name="cpus" value={String(cpus)} autofocus>
          {Array.from({ length: MOST }, (_, n) => (
            <option key={n} value={String(n + 1)}>
              {n + 1}
            </option>
          ))}
        </select>
      </label>
      <label title="Several processors take turns; another seed gives another order of them, always the same for the same seed">
        Seed of their turns
        <input name="seed" type="number" min="0" max="4294967295" step="1" defaultValue={query.get('seed') ?? '1'} />
      </label>
      <p class="dim">Starts another machine: what this one has done is lost.</p>
      <div class="how">
        <button type="submit" class="primary">
          Restart
        </button>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </form>
  );
}
