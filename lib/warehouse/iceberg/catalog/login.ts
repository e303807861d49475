import type { Clock } from "../../../clock.ts";
import { CatalogError, errorOfStatus } from "./errors.ts";
import { oauthErrorSchema, tokenSchema } from "./schemas.ts";
import { signer, type SigV4Options } from "./sigv4.ts";
import type { HttpRequest, Transport } from "./transport.ts";

interface OAuth2Options {
  /** `id:secret`, or a secret alone. */
  credential: string;
  /** Default: `<uri of the catalog>/v1/oauth/tokens`. */
  serverUri?: string | undefined;
  /** Default: `catalog`. */
  scope?: string | undefined;
}

/** How Tributary logs in to a catalog. */
export type LoginOptions =
  | { kind: "none" }
  | { kind: "token"; token: string }
  | ({ kind: "oauth2" } & OAuth2Options)
  | ({ kind: "sigv4" } & SigV4Options);

export interface Login {
  /** The request's headers with what proves who sends it. @throws CatalogError */
  headersFor(request: HttpRequest): Promise<Readonly<Record<string, string>>>;
  /** After an answer 401: forgets a token. True if another attempt has a new one. */
  renew(): boolean;
}

interface LoginContext {
  /** URI of the catalog. */
  uri: string;
  send: Transport;
  clock: Clock;
  timeoutMs: number;
}

export function makeLogin(options: LoginOptions, context: LoginContext): Login {
  if (options.kind === "oauth2") return new OAuth2(options, context);
  if (options.kind === "sigv4") {
    const sign = signer(options);
    return { headersFor: (request) => sign(request, new Date(context.clock.nowMs())), renew: () => false };
  }
  const proof = options.kind === "token" ? { authorization: `Bearer ${options.token}` } : {};
  return { headersFor: async ({ headers }) => ({ ...headers, ...proof }), renew: () => false };
}

/** A token is renewed before it ends: its last requests take time. */
const USED_SHARE = 0.8;

/** Client credentials (RFC 6749, section 4.4). One request for a token serves all that wait for it. */
class OAuth2 implements Login {
  readonly #options: OAuth2Options;
  readonly #context: LoginContext;
  #token: Promise<string> | undefined;
  #usableUntilMs = 0;

  constructor(options: OAuth2Options, context: LoginContext) {
    this.#options = options;
    this.#context = context;
  }

  async headersFor({ headers }: HttpRequest): Promise<Readonly<Record<string, string>>> {
    return { ...headers, authorization: `Bearer ${await this.#current()}` };
  }

  renew(): boolean {
    this.#token = undefined;
    return true;
  }

  async #current(): Promise<string> {
    if (this.#token === undefined || this.#context.clock.monotonicMs() >= this.#usableUntilMs) {
      const fresh = this.#fetch();
      this.#token = fresh.then(({ text }) => text);
      // Until it is there, all wait for this one.
      this.#usableUntilMs = Infinity;
      const mine = this.#token;
      fresh.then(
        ({ usableUntilMs }) => {
          if (this.#token === mine) this.#usableUntilMs = usableUntilMs;
        },
        () => {
          if (this.#token === mine) this.#token = undefined;
        },
      );
    }
    return this.#token;
  }

  async #fetch(): Promise<{ text: string; usableUntilMs: number }> {
    const { credential, scope = "catalog" } = this.#options;
    const { uri, send, clock, timeoutMs } = this.#context;
    const serverUri = new URL(this.#options.serverUri ?? `${uri}/v1/oauth/tokens`);
    const colon = credential.indexOf(":");
    const form = new URLSearchParams({ grant_type: "client_credentials", scope });
    if (colon >= 0) form.set("client_id", credential.slice(0, colon));
    form.set("client_secret", credential.slice(colon + 1));
    const doing = `log in at ${serverUri.origin}${serverUri.pathname}`;
    const startMs = clock.monotonicMs();
    const answer = await send({
      method: "POST",
      url: serverUri,
      headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
      body: form.toString(),
      timeoutMs,
    }).catch((cause: unknown) => {
      const message = `${doing}: ${(cause as Error).message}`;
      throw new CatalogError("CATALOG_UNAVAILABLE", message, { outcome: "none", cause });
    });
    const read = parsed(answer.body);
    if (answer.status >= 300) {
      const { data } = oauthErrorSchema.safeParse(read);
      const message = data?.error_description ?? "";
      const failure = errorOfStatus(answer.status, doing, { message, type: data?.error });
      // The specification answers wrong credentials with 400 or 401.
      const code = answer.status < 500 && answer.status !== 429 ? "CATALOG_REFUSED" : failure.code;
      throw new CatalogError(code, failure.message, { outcome: "none", httpStatus: answer.status, type: data?.error });
    }
    const token = tokenSchema.safeParse(read);
    if (!token.success) {
      throw new CatalogError("CATALOG_FAILED", `${doing}: the answer holds no access_token`, { outcome: "none" });
    }
    const { access_token: text, expires_in: seconds } = token.data;
    return { text, usableUntilMs: seconds ? startMs + seconds * 1_000 * USED_SHARE : Infinity };
  }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}
