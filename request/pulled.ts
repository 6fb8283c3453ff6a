/** The consumer has left before the end. */
class Left extends Error {}

/**
 * Turns a producer that hands out items one by one into a generator: it is held up until the next
 * item is asked for, and ended when the consumer leaves.
 * @param produce awaits `each` for every item
 */
export async function* pulled<T>(
  produce: (each: (item: T) => Promise<void>) => Promise<void>,
): AsyncGenerator<T, void, void> {
  let hand = Promise.withResolvers<{ readonly item: T } | undefined>();
  let taken = Promise.withResolvers<void>();
  const work = produce(async (item) => {
    const { promise } = taken;
    hand.resolve({ item });
    await promise;
  }).then(() => hand.resolve(undefined), (error) => hand.reject(error));
  try {
    while (true) {
      const given = await hand.promise;
      if (!given) return;
      yield given.item;
      hand = Promise.withResolvers();
      const before = taken;
      taken = Promise.withResolvers();
      before.resolve();
    }
  } finally {
    hand.promise.catch(() => {});
    taken.promise.catch(() => {});
    taken.reject(new Left("nobody takes more"));
    await work;
  }
}
