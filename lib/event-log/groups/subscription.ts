/** Topic names, or a pattern that new topics may come to match. */
export type Subscription = readonly string[] | RegExp;

export function subscribes(subscription: Subscription, topic: string): boolean {
  // String.search ignores and keeps lastIndex, so that /g and /y patterns work too.
  return subscription instanceof RegExp ? topic.search(subscription) >= 0 : subscription.includes(topic);
}
