import { useFocus } from './focus.ts';
import { hexAddress } from './format.ts';

interface AddressProps {
  address: number;
  /** Shown instead of the digits. */
  text?: string | undefined;
  /** Where the link leads: code to the disassembly, data to memory. */
  to?: 'code' | 'data';
}

/** An address anywhere on the page: a click shows what is there; with Shift, the other way (code as data, data as code). */
export function Address({ address, text, to = 'data' }: AddressProps) {
  const focus = useFocus();
  const go = (event: MouseEvent): void => {
    event.preventDefault();
    const code = (to === 'code') !== event.shiftKey;
    (code ? focus.showCode : focus.showData)(address);
  };
  return (
    <a
      class="address"
      href="#"
      title={`${hexAddress(address)}: show ${to === 'code' ? 'the code' : 'the memory'} there; with Shift ${to === 'code' ? 'the memory' : 'the code'}`}
      onClick={go}
    >
      {text ?? hexAddress(address)}
    </a>
  );
}

/** An object of the kernel: a click runs the debugger command that describes it. */
export function ObjectLink({ text, command }: { text: string; command: string }) {
  const { inspect } = useFocus();
  return (
    <a
      class="address"
      href="#"
      title={`${command} in the debugger`}
      onClick={event => {
        event.preventDefault();
        inspect(command);
      }}
    >
      {text}
    </a>
  );
}
