/** Processes the items of one table in order, and several tables concurrently. */
export interface KeyedQueue<T> {
  add(table: string, item: T): void;
  /** Waiting and running items. */
  readonly size: number;
  /** Drops the waiting items; resolves when no item runs. */
  stop(): Promise<void>;
}

/** `work` must not throw. At most `tablesMax` tables are processed at a time; the others wait. */
export function makeKeyedQueue<T>(tablesMax: number, work: (item: T) => Promise<void>): KeyedQueue<T> {
  const queues = new Map<string, T[]>();
  const waiting: string[] = [];
  const running = new Set<Promise<void>>();
  let size = 0;

  const run = async (table: string): Promise<void> => {
    const queue = queues.get(table)!;
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      await work(item);
      size--;
    }
    queues.delete(table);
  };
  const startNext = (): void => {
    while (running.size < tablesMax && waiting.length > 0) {
      const task = run(waiting.shift()!).finally(() => {
        running.delete(task);
        startNext();
      });
      running.add(task);
    }
  };
  return {
    add(table, item) {
      size++;
      const queue = queues.get(table);
      if (queue) {
        queue.push(item);
        return;
      }
      queues.set(table, [item]);
      waiting.push(table);
      startNext();
    },
    get size() {
      return size;
    },
    async stop() {
      for (const queue of queues.values()) size -= queue.splice(0).length;
      while (running.size > 0) await Promise.all(running);
    },
  };
}
