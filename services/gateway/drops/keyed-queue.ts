/** Work in lanes, one for each table: a table's items one after the other, several tables side by side. */
export interface KeyedQueue<T> {
  add(table: string, item: T): void;
  /** Items that wait or run. */
  readonly size: number;
  /** Forgets what waits; resolves when nothing runs any more. */
  stop(): Promise<void>;
}

/** `work` must not throw. At most `lanesMax` tables are worked on at the same time; the others wait their turn. */
export function makeKeyedQueue<T>(lanesMax: number, work: (item: T) => Promise<void>): KeyedQueue<T> {
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
  const pump = (): void => {
    while (running.size < lanesMax && waiting.length > 0) {
      const lane = run(waiting.shift()!).finally(() => {
        running.delete(lane);
        pump();
      });
      running.add(lane);
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
      pump();
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
