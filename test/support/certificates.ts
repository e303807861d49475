import { generate } from "selfsigned";

export interface Certificate {
  cert: string;
  key: string;
}

/** A certificate of this machine that signs itself: whoever trusts it as an authority trusts its server. */
export async function selfSigned(commonName = "localhost"): Promise<Certificate> {
  const { cert, private: key } = await generate([{ name: "commonName", value: commonName }], {
    keyType: "ec",
    extensions: [
      { name: "basicConstraints", cA: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 7, ip: "127.0.0.1" },
        ],
      },
    ],
  });
  return { cert, key };
}
