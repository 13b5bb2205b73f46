/** Where the examples find their mesh: `AIDATALABS_ADDRESS`, or `AIDATALABS_PORT` of this machine, and `AIDATALABS_TOKEN`. */
import { type Client, createClient } from "@aidatalabs/client";

/** A client of the mesh that the environment names. */
export function meshClient(): Client {
  const { AIDATALABS_PORT: port = "8080", AIDATALABS_TOKEN: token = "" } = process.env;
  const { AIDATALABS_ADDRESS: address = `127.0.0.1:${port}` } = process.env;
  return createClient({ baseUrl: address.includes("://") ? address : `http://${address}`, token });
}
