/** Where the examples find their mesh: `AIDATALABS_ADDRESS` and `AIDATALABS_TOKEN`. */
import { type Client, createClient } from "@aidatalabs/client";

/** A client of the mesh that the environment names. */
export function meshClient(): Client {
  const { AIDATALABS_ADDRESS: address = "127.0.0.1:8080", AIDATALABS_TOKEN: token = "" } = process.env;
  return createClient({ baseUrl: address.includes("://") ? address : `http://${address}`, token });
}
