import type { ComponentChildren } from 'preact';

interface PanelProps {
  title: ComponentChildren;
  tools?: ComponentChildren;
  children: ComponentChildren;
  testid?: string;
}

/** A titled box with tools at its right. */
export function Panel({ title, tools, children, testid }: PanelProps) {
  return (
    <section class="panel" data-testid={testid}>
      <header>
        {title}
        <span class="spring" />
        {tools}
      </header>
      <div class="content">{children}</div>
    </section>
  );
}

/** What a panel shows before its first answer, or when asking failed. */
export function Missing({ error }: { error: string | null }) {
  return <div class="empty">{error ?? '…'}</div>;
}
