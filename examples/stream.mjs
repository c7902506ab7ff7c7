// A streamed answer through Antiphon with the official JavaScript SDK: npm install openai; node stream.mjs
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: (process.env.ANTIPHON_URL ?? "http://127.0.0.1:8000") + "/v1",
  apiKey: process.env.ANTIPHON_API_KEY,
});

const stream = await client.responses.create({
  model: process.env.ANTIPHON_MODEL ?? "local",
  input: process.argv[2] ?? "Tell me a story.",
  stream: true,
});

for await (const event of stream) {
  if (event.type === "response.output_text.delta") process.stdout.write(event.delta);
  if (event.type === "response.failed") throw new Error(event.response.error.message);
}
process.stdout.write("\n");
