import type { BugCheck, CardEvent, CrashCard as RuleCard } from '../../hal/bus/index.ts';
import { hex64, irqlName } from '../format.ts';
import { Address, ObjectLink } from '../link.tsx';
import type { StepKind } from '../protocol.ts';

interface Props {
  bugCheck: BugCheck;
  onStep(kind: StepKind): void;
  /** Takes the machine to a cycle of its past. */
  onGo(cycle: number): void;
}

/** Something that happened before, with its stack and the way there. */
function Event({ event: e, onGo }: { event: CardEvent; onGo(cycle: number): void }) {
  return (
    <li data-testid="card-event">
      <Address address={e.object} text={e.what} />{' '}
      <button class="bare" data-testid="card-go" title={`back to cycle ${e.cycle}`} onClick={() => onGo(e.cycle - 1)}>
        go there
      </button>
      <div class="mono dim">
        {e.stack.slice(0, 6).map((frame, i) => (
          <span key={i}>
            {i === 0 ? '' : ' < '}
            <Address address={frame.address} text={frame.symbol} to="code" />
          </span>
        ))}
      </div>
    </li>
  );
}

/** The rule that was broken, what led to it, and how to mend it. */
function Card({ card, onGo }: { card: RuleCard; onGo(cycle: number): void }) {
  return (
    <div data-testid="rule-card">
      <div>
        <b>{card.title}</b>: {card.rule}
      </div>
      {card.before.length > 0 && (
        <>
          <div>Before:</div>
          <ul>
            {card.before.map((e, i) => (
              <Event key={i} event={e} onGo={onGo} />
            ))}
          </ul>
        </>
      )}
      {card.injected.length > 0 && (
        <>
          <div>Injected failures:</div>
          <ul>
            {card.injected.map((e, i) => (
              <Event key={i} event={e} onGo={onGo} />
            ))}
          </ul>
        </>
      )}
      <div>To mend it: {card.mend}</div>
    </div>
  );
}

/** The bug check in words: who, where, at which IRQL, the rule that was broken, and the way back. */
export function CrashCard({ bugCheck: b, onStep, onGo }: Props) {
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
      {b.card && <Card card={b.card} onGo={onGo} />}
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
        <button class="primary" title={b.cause?.what} onClick={() => onStep('back-cause')} data-testid="crash-back">
          Back to the cause
        </button>
        <button onClick={() => onStep('back-interrupt')}>Back to the last interrupt</button>
        <ObjectLink text="!analyze" command="!analyze -v" />
      </div>
    </div>
  );
}
