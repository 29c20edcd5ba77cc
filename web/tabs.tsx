interface TabsProps<T extends string> {
  label: string;
  tabs: readonly (readonly [T, string])[];
  /** May be a tab of another row. */
  chosen: string;
  onChoose(tab: T): void;
}

/** A row of tabs: one stop of the Tab key, the arrow keys choose. */
export function Tabs<T extends string>({ label, tabs, chosen, onChoose }: TabsProps<T>) {
  const reached = tabs.some(([id]) => id === chosen) ? chosen : tabs[0]![0];
  const onKey = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const at = tabs.findIndex(([id]) => id === reached);
    const to = (at + step + tabs.length) % tabs.length;
    onChoose(tabs[to]![0]);
    ((event.currentTarget as HTMLElement).children[to] as HTMLElement).focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={label} onKeyDown={onKey}>
      {tabs.map(([id, name]) => (
        <button
          key={id}
          role="tab"
          data-tab={id}
          aria-selected={chosen === id}
          tabIndex={reached === id ? 0 : -1}
          onClick={() => onChoose(id)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
