/** Topic names, or a pattern that also matches topics created later. */
export type Subscription = readonly string[] | RegExp;

export function subscribes(subscription: Subscription, topic: string): boolean {
  // String.search ignores and keeps lastIndex, so /g and /y patterns work.
  return subscription instanceof RegExp ? topic.search(subscription) >= 0 : subscription.includes(topic);
}
