/** A small input that takes an address, an expression or a command, and gives it on Enter. */
export function GoTo({
  placeholder,
  onGo,
  clear = false,
}: {
  placeholder: string;
  onGo(expression: string): void;
  clear?: boolean;
}) {
  return (
    <input
      placeholder={placeholder}
      aria-label={placeholder}
      spellcheck={false}
      autocomplete="off"
      onKeyDown={event => {
        if (event.key !== 'Enter') return;
        const field = event.currentTarget;
        const text = field.value.trim();
        if (text) onGo(text);
        if (clear) field.value = '';
      }}
    />
  );
}
