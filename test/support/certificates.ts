import { generate } from "selfsigned";

export interface Certificate {
  cert: string;
  key: string;
}

/** A self-signed certificate for this machine; a client that trusts it as a CA trusts the server. */
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
