import type { ComponentChildren } from 'preact';

interface PanelProps {
  title: ComponentChildren;
  tools?: ComponentChildren;
  children: ComponentChildren;
  testid?: string;
}

/** A titled box with tools at its right. What is in it can be scrolled with the keyboard. */
export function Panel({ title, tools, children, testid }: PanelProps) {
  return (
    <section class="panel" data-testid={testid}>
      <header>
        {typeof title === 'string' ? <h2>{title}</h2> : title}
        <span class="spring" />
        {tools}
      </header>
      <div class="content" tabIndex={-1}>
        {children}
      </div>
    </section>
  );
}

/** What a panel shows before its first answer, or when asking failed. */
export function Missing({ error }: { error: string | null }) {
  return error === null ? null : <div class="empty">{error}</div>;
}
