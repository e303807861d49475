import { messageOf, TributaryError } from "../../errors.ts";

/** The broker's name of an error, found at any depth of kafkajs's wrapping. */
export function kafkaErrorType(thrown: unknown): string | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if ("type" in error && typeof error.type === "string") return error.type;
  }
  return undefined;
}

const TOO_LARGE = new Set(["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"]);
const PERMANENT = new Set([
  "SASL_AUTHENTICATION_FAILED",
  "TOPIC_AUTHORIZATION_FAILED",
  "GROUP_AUTHORIZATION_FAILED",
  "CLUSTER_AUTHORIZATION_FAILED",
  "UNSUPPORTED_SASL_MECHANISM",
  "INVALID_TOPIC_EXCEPTION",
  "INVALID_CONFIG",
  "INVALID_REPLICATION_FACTOR",
  "POLICY_VIOLATION",
]);

/** Converts a kafkajs error to LOG_TOPIC_UNKNOWN, LOG_RECORD_TOO_LARGE or LOG_UNAVAILABLE. */
export function kafkaError(thrown: unknown, what: string): TributaryError {
  if (thrown instanceof TributaryError) return thrown;
  const type = kafkaErrorType(thrown);
  const message = `${what}: ${messageOf(thrown)}`;
  if (type === "UNKNOWN_TOPIC_OR_PARTITION") return new TributaryError("LOG_TOPIC_UNKNOWN", message, { cause: thrown });
  if (type && TOO_LARGE.has(type)) return new TributaryError("LOG_RECORD_TOO_LARGE", message, { cause: thrown });
  const retryable = !(type && PERMANENT.has(type)) && !isAuthenticationFailure(thrown);
  return new TributaryError("LOG_UNAVAILABLE", message, { cause: thrown, retryable });
}

function isAuthenticationFailure(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === "KafkaJSSASLAuthenticationError";
}

/** The group removed this member, or is in a newer generation. */
export function isFenced(thrown: unknown): boolean {
  const type = kafkaErrorType(thrown);
  return type === "UNKNOWN_MEMBER_ID" || type === "ILLEGAL_GENERATION" || type === "FENCED_INSTANCE_ID";
}

/** The group is rebalancing: join again. */
export const isRebalancing = (thrown: unknown): boolean => kafkaErrorType(thrown) === "REBALANCE_IN_PROGRESS";

const MOVING = new Set(["GROUP_LOAD_IN_PROGRESS", "GROUP_COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR_FOR_GROUP"]);

/** The group's coordinator is starting or moving to another broker: look it up again. */
export const isMoving = (thrown: unknown): boolean => MOVING.has(kafkaErrorType(thrown) ?? "");
