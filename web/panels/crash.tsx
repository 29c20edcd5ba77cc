import type { BugCheck } from '../../hal/bus/index.ts';
import { hex64, irqlName } from '../format.ts';
import { Address, ObjectLink } from '../link.tsx';
import type { StepKind } from '../protocol.ts';

/** The bug check in words: who, where, at which IRQL, and the way back. */
export function CrashCard({ bugCheck: b, onStep }: { bugCheck: BugCheck; onStep(kind: StepKind): void }) {
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
            , IRP <ObjectLink text={hex64(BigInt(b.irp))} command={`!irp ${hex64(BigInt(b.irp))}`} />
          </>
        )}
      </div>
      {b.text && <div>{b.text}</div>}
      <div class="mono dim">parameters {b.parameters.map(hex64).join('  ')}</div>
      <div class="mono">
        {b.stack.slice(0, 8).map((frame, i) => (
          <span key={i}>
            {i === 0 ? '' : ' < '}
            <Address address={frame.address} text={frame.symbol} to="code" />
          </span>
        ))}
      </div>
      <div class="how">
        <button class="primary" onClick={() => onStep('back-cause')} data-testid="crash-back">
          Back to the cause
        </button>
        <button onClick={() => onStep('back-interrupt')}>Back to the last interrupt</button>
        <ObjectLink text="!analyze" command="!analyze -v" />
      </div>
    </div>
  );
}
