/** Why a connection failed, in a word for machines and a sentence for people. */
import type { StreamError } from "./completion-stream.ts";
import { stallCode } from "./stream-pool.ts";

const codes: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection-refused",
  ECONNRESET: "connection-reset",
  ETIMEDOUT: "connect-timeout",
  EHOSTUNREACH: "host-unreachable",
  ENETUNREACH: "host-unreachable",
  [stallCode]: "stall",
  EPIPE: "connection-reset",
  UND_ERR_SOCKET: "connection-reset",
  UND_ERR_CONNECT_TIMEOUT: "connect-timeout",
  UND_ERR_HEADERS_TIMEOUT: "stall",
  UND_ERR_BODY_TIMEOUT: "stall",
  ENOTFOUND: "host-unknown",
  EAI_AGAIN: "host-unknown",
  DEPTH_ZERO_SELF_SIGNED_CERT: "certificate",
  SELF_SIGNED_CERT_IN_CHAIN: "certificate",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate",
  UNABLE_TO_GET_ISSUER_CERT: "certificate",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate",
  CERT_HAS_EXPIRED: "certificate",
  CERT_NOT_YET_VALID: "certificate",
  ERR_TLS_CERT_ALTNAME_INVALID: "certificate",
  ERR_SSL_WRONG_VERSION_NUMBER: "no-tls",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "no-tls",
};

/** @param parts of the answer that had come @param stallSeconds the limit on silence */
export function classifyTransportError(
  error: Error,
  parts: number,
  stallSeconds: number,
): StreamError {
  const systemCode = "code" in error && typeof error.code === "string" ? error.code : "";
  const code = codes[systemCode] ?? "transport";
  const after = parts === 0 ? "before any output" : `after ${parts} chunks`;
  const messages: Readonly<Record<string, string>> = {
    "connection-refused": "nothing listens at the server's address (connection refused)",
    "connection-reset": `the server closed the connection ${after}`,
    stall: `the server sent nothing for ${stallSeconds} s ${after}`,
    certificate: `the server's certificate is not trusted (${error.message}); put the certificate of its authority, or its own if it signed itself, into a PEM file and set NODE_EXTRA_CA_CERTS to that file`,
    "no-tls": "the server does not speak TLS at this port: use http:// instead of https://",
  };
  return { code, message: messages[code] ?? `${error.message || systemCode} ${after}` };
}
