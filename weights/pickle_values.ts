/** Values that the pickle reader makes. */

/** A list. */
export class PickleList {
  readonly items: PickleValue[] = [];
}

/** A tuple. */
export class PickleTuple {
  readonly items: readonly PickleValue[];
  constructor(items: readonly PickleValue[]) {
    this.items = items;
  }
}

/** A dict, OrderedDict or Counter. Keys are compared by identity unless they are plain. */
export class PickleDict {
  readonly entries: Map<PickleValue, PickleValue> = new Map();
  /** Whether it was a collections.OrderedDict, which may be followed by its attributes. */
  readonly ordered: boolean;
  constructor(ordered = false) {
    this.ordered = ordered;
  }
}

/** A value of a pickle; `object` is what the caller's functions return. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleList
  | PickleTuple
  | PickleDict
  | PickleGlobal
  | PickleObject;

/** Base class of what the caller's functions make. */
export abstract class PickleObject {}

/** Stands for an unread value, which needs a name that the caller does not know. */
export class PickleUnread extends PickleObject {
  /** The name, such as `numpy.core.multiarray._reconstruct`. */
  readonly name: string;
  constructor(name: string) {
    super();
    this.name = name;
  }
}

/** A name that the caller knows: `make` is called when the pickle calls it. */
export class PickleGlobal {
  readonly name: string;
  /** Undefined if it is only passed around, as a type of storage is. */
  readonly make: ((args: readonly PickleValue[]) => PickleValue) | undefined;
  constructor(name: string, make?: (args: readonly PickleValue[]) => PickleValue) {
    this.name = name;
    this.make = make;
  }
}
