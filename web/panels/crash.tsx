import type { BugCheck } from '../../hal/bus/index.ts';
import { hex64, irqlName } from '../format.ts';
import { Address } from '../link.tsx';

interface CrashCardProps {
  bugCheck: BugCheck;
  onBack(): void;
  onStart(): void;
}

/** The bug check in words: who, where, at which IRQL, and the way back. */
export function CrashCard({ bugCheck: b, onBack, onStart }: CrashCardProps) {
  return (
    <div class="card" role="alert" data-testid="bugcheck">
      <h2>
        {b.name} (0x{b.code.toString(16)})
      </h2>
      <div>
        {b.routine ? (
          <>in {b.address === null ? b.routine : <Address address={b.address} text={b.routine} to="code" />}</>
        ) : (
          'in an unknown routine'
        )}
        {b.driver && (
          <>
            {' '}
            of <b>{b.driver}</b>
          </>
        )}
        , at IRQL {irqlName(b.irql)}
        {b.irp !== null && (
          <>
            , IRP <Address address={b.irp} />
          </>
        )}
      </div>
      <div class="mono dim">parameters {b.parameters.map(hex64).join('  ')}</div>
      <div class="mono">
        {b.stack.slice(0, 8).map((frame, i) => (
          <div key={i}>
            {i === 0 ? '' : '← '}
            <Address address={frame.address} text={frame.symbol} to="code" />
          </div>
        ))}
      </div>
      <div class="how">
        <button onClick={onBack}>Step back to the cause</button>
        <button onClick={onStart}>Back to the last interrupt</button>
      </div>
    </div>
  );
}
