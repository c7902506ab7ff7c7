// The Vercel AI SDK at the task: with all models, in all ways that there are through one door, at once.
// What each answered goes to the standard output as JSON.
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const { ANTIPHON_URL, ANTIPHON_KEY, ANTIPHON_MODELS, ANTIPHON_DOOR } = process.env;
const provider = { baseURL: `${ANTIPHON_URL}/v1`, apiKey: ANTIPHON_KEY };
const door = {
  responses: createOpenAI(provider).responses,
  chat: createOpenAI(provider).chat,
  messages: createAnthropic(provider),
}[ANTIPHON_DOOR];

const weather = { Tokyo: 'sunny, 21 degrees', Paris: 'rain, 17 degrees' };
const task = {
  prompt: 'How many degrees do Tokyo and Paris have together?',
  stopWhen: stepCountIs(5),
  maxRetries: 0,
  tools: {
    get_weather: tool({
      description: 'The weather in a city, now.',
      inputSchema: z.object({ location: z.string() }),
      execute: async ({ location }) => weather[location],
    }),
    add: tool({
      description: 'The sum of two numbers.',
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      execute: async ({ a, b }) => String(a + b),
    }),
  },
};

async function whole(model, options = {}) {
  const { text } = await generateText({ ...task, model, ...options });
  return text;
}

async function streamed(model, options = {}) {
  let failure;
  const { steps } = streamText({ ...task, model, ...options, onError: ({ error }) => (failure = error) });
  const last = (await steps).at(-1);
  if (failure) throw failure;
  return last.text;
}

function ways(model) {
  const found = { whole: whole(model), streamed: streamed(model) };
  if (ANTIPHON_DOOR === 'responses') {
    const sealed = { providerOptions: { openai: { store: false, include: ['reasoning.encrypted_content'] } } };
    found.sealed = whole(model, sealed);
    found.sealed_streamed = streamed(model, sealed);
  }
  return found;
}

async function answers(name) {
  const doing = Object.entries(ways(door(name)));
  return Object.fromEntries(await Promise.all(doing.map(async ([way, answer]) => [way, await answer.catch(String)])));
}

const names = ANTIPHON_MODELS.split(',');
const all = await Promise.all(names.map(async (name) => [name, await answers(name)]));
process.stdout.write(JSON.stringify(Object.fromEntries(all)));
