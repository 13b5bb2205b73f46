/** Asks, and prints each step of the answer as it happens. */
import { rows, steps } from "@aidatalabs/client";
import { meshClient } from "./mesh.js";

const client = meshClient();
const asked = client.agent.streamAnswer({ platform: "platforms/demo", question: "flights per month" });

for await (const { event, data } of steps(asked)) {
  switch (event) {
    case "understood":
      console.log("understood:", data?.explanation.join(" "));
      break;
    case "sql":
      console.log("sql:", data?.sql);
      break;
    case "rows":
      console.log("rows:", rows<{ number_of_flights: number }>(data?.result).length);
      break;
    case "answer":
      console.log("answer:", data?.answer);
      break;
    default:
      console.log(event);
  }
}
