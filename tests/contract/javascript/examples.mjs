// The examples that this gateway was ordered from, with the official JavaScript client.
// Base URL, key and model come from the environment; what came back goes to the standard output as JSON.
import OpenAI from 'openai';

const { ANTIPHON_URL, ANTIPHON_KEY, ANTIPHON_MODEL, ANTIPHON_SHORT } = process.env;
const model = ANTIPHON_MODEL;
const short = JSON.parse(ANTIPHON_SHORT ?? '{}');

const client = new OpenAI({
  apiKey: ANTIPHON_KEY,
  baseURL: ANTIPHON_URL,
  maxRetries: 0,
});

const weatherTools = [
  {
    type: 'function',
    name: 'get_weather',
    description: 'Get the current weather',
    parameters: { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] },
    strict: false,
  },
];

const examples = {
  async plain() {
    const response = await client.responses.create({
      model,
      input: 'Explain quantum computing in simple terms.',
      ...short,
    });
    return { response, text: response.output_text };
  },

  async streaming() {
    const stream = await client.responses.create({
      model,
      input: 'Write a short story about a robot.',
      stream: true,
      ...short,
    });
    const events = [];
    for await (const event of stream) events.push(event);
    return { events };
  },

  async helper() {
    const stream = client.responses.stream({ model, input: 'Say hello.', ...short });
    let text = '';
    stream.on('response.output_text.delta', (event) => {
      text += event.delta;
    });
    const response = await stream.finalResponse();
    return { response, text };
  },

  async stateful() {
    const first = await client.responses.create({ model, input: 'My name is Alice.', store: true, ...short });
    const second = await client.responses.create({
      model,
      input: "What's my name?",
      previous_response_id: first.id,
      ...short,
    });
    const items = [];
    for await (const item of client.responses.inputItems.list(second.id, { limit: 1 })) items.push(item);
    const read = await client.responses.retrieve(second.id);
    await client.responses.delete(second.id);
    const gone = await client.responses.retrieve(second.id).catch((error) => error.status);
    return { first, second, read, items, gone };
  },

  async tools() {
    const called = await client.responses.create({ model, input: "What's the weather in Tokyo?", tools: weatherTools });
    const [call] = called.output;
    const response = await client.responses.create({
      model,
      previous_response_id: called.id,
      input: [{ type: 'function_call_output', call_id: call.call_id, output: 'sunny' }],
      tools: weatherTools,
    });
    return { call, response, text: response.output_text };
  },

  async refusal() {
    const error = await client.responses
      .create({ model, input: 'Hello', temperature: 3 })
      .catch((problem) => problem);
    return { name: error.constructor.name, status: error.status, code: error.code, param: error.param };
  },

  async chat() {
    const completion = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'Hello' }],
      ...short,
    });
    const [choice] = completion.choices;
    return { text: choice.message.content, finish: choice.finish_reason };
  },

  async chatStream() {
    const stream = client.chat.completions.stream({
      model,
      messages: [{ role: 'user', content: 'Hello' }],
      stream_options: { include_usage: true },
      ...short,
    });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
    const completion = await stream.finalChatCompletion();
    const [choice] = completion.choices;
    if (choice.message.content !== text || !(completion.usage.total_tokens > 0)) throw new Error('not the same');
    return { text, finish: choice.finish_reason };
  },

  async models() {
    const names = [];
    for await (const one of client.models.list()) names.push(one.id);
    return { names };
  },
};

process.stdout.write(JSON.stringify(await examples[process.argv[2]]()));
