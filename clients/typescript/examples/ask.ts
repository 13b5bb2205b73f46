/** Asks a question, and prints the answer, its SQL and its rows; a refusal says why. */
import { ApiError, rows } from "@aidatalabs/client";
import { meshClient } from "./mesh.js";

const client = meshClient();
const question = process.argv[2] ?? "Which carrier had the most flights?";

try {
  const answer = await client.agent.query({ platform: "platforms/demo", question });
  if (answer.clarification) {
    console.log(answer.clarification.question, answer.clarification.choices.map((choice) => choice.question));
  } else {
    console.log(answer.answer);
    console.log(answer.sql);
    console.log(rows(answer.result));
  }
} catch (error) {
  if (error instanceof ApiError && error.reason === "QUESTION_NOT_ANSWERABLE") {
    console.log(`It cannot be answered: ${error.message}`);
  } else {
    throw error;
  }
}
