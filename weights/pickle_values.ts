/** Values that the pickle reader makes. */

/** A list. */
export class PickleList {
  readonly items: PickleValue[] = [];
}

/** A tuple. */
export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** A dict, OrderedDict or Counter. Keys are compared by identity unless they are plain. */
export class PickleDict {
  readonly entries: Map<PickleValue, PickleValue> = new Map();
  /** @param ordered for a collections.OrderedDict, which may be followed by its attributes */
  constructor(readonly ordered = false) {}
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
  /** @param name such as `numpy.core.multiarray._reconstruct` */
  constructor(readonly name: string) {
    super();
  }
}

/** A name that the caller knows: `make` is called when the pickle calls it. */
export class PickleGlobal {
  /** @param make undefined if it is only passed around, as a type of storage is */
  constructor(
    readonly name: string,
    readonly make?: (args: readonly PickleValue[]) => PickleValue,
  ) {}
}
