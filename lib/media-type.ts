const CHARSET = /;\s*charset\s*=\s*"?([^";\s]{1,100})/i;

/** The charset that a Content-Type declares; undefined: none. */
export const charsetIn = (contentType: string): string | undefined => CHARSET.exec(contentType)?.[1];
