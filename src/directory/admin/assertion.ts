import { BerWriter, Control, EqualityFilter, OrFilter, type Filter } from 'ldapts';

/**
 * Assertion control (RFC 4528): the change is made only if the entry still matches the filter, in
 * one step on the server. Else the server answers assertionFailed (122).
 *
 * OpenLDAP's overlay `unique` looks for other holders of a value with a search of its own, which
 * inherits the control: slapd then asks the assertion of the branch that is searched, and refuses
 * the change. So the filter sent is also true of branches. No entry of ours is one.
 */
export class Assertion extends Control {
  static readonly OID = '1.3.6.1.1.12';
  readonly #filter: Filter;

  constructor(filter: Filter) {
    super(Assertion.OID, { critical: true });
    this.#filter = new OrFilter({ filters: [filter, IS_BRANCH] });
  }

  override writeControl(writer: BerWriter): void {
    const value = new BerWriter();
    this.#filter.write(value);
    writer.writeBuffer(value.buffer, 4); // OCTET STRING
  }
}

const IS_BRANCH = new EqualityFilter({ attribute: 'objectClass', value: 'organizationalUnit' });

/** The entry is as it was when this entryCSN was read. */
export const unchangedSince = (revision: string): Filter =>
  new EqualityFilter({ attribute: 'entryCSN', value: revision });
