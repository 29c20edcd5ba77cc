/** What the card of a rule says. */

/** Which records explain a violation: those about the object that a parameter of the bug check names, of these kinds. */
export interface Evidence {
  /** Parameter, 1 to 4. */
  of: 1 | 2 | 3 | 4;
  /** Any part of the object counts, not only its first byte. */
  inside?: boolean;
}

export interface Rule {
  /** Short name. */
  title: string;
  rule: string;
  mend: string;
  evidence?: readonly Evidence[];
}

/** A rule about the IRQL of a call. */
export const irql = (
  title: string,
  routine: string,
  mend = 'Do it at a lower IRQL: before the spin lock is taken or the IRQL raised, or in a work item.',
): Rule => ({
  title,
  rule: routine,
  mend,
});
/** Evidence about the object that parameter `of` names. */
export const at = (of: 1 | 2 | 3 | 4, inside = false): readonly Evidence[] => [{ of, inside }];
