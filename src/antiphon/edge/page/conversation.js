// The form: models of a key, one streamed turn after another, and everything that came over the wire.

const mostEvents = 3000;
const form = {
  key: byId("key"), model: byId("model"), name: byId("model-name"), hint: byId("model-hint"),
  instructions: byId("instructions"), store: byId("store"), text: byId("text"), send: byId("send"),
};
// previous: the stored response to continue. items: the conversation, for when nothing is stored.
let talk = { previous: null, items: [] };
let running = null;

const headers = () => ({ Authorization: `Bearer ${form.key.value.trim()}`, "Content-Type": "application/json" });
const model = () => form.model.value || form.name.value.trim();

async function failureOf(response) {
  const id = response.headers.get("x-request-id");
  let what = response.statusText;
  try {
    const { error } = await response.json();
    what = error.code ? `${error.message} (${error.code})` : error.message;
  } catch { /* no JSON: the status has to do */ }
  return `${response.status}: ${what}${id ? `\nRequest ${id}` : ""}`;
}

async function loadModels() {
  if (!form.key.value.trim()) return;
  const response = await fetch(`${base}/models`, { headers: headers() }).catch(() => null);
  form.hint.classList.toggle("bad", !response?.ok);
  if (!response?.ok) {
    form.hint.textContent = response ? (await failureOf(response)).split("\n")[0] : "The server does not answer.";
    return;
  }
  const { data } = await response.json();
  const options = data.map(({ id, owned_by: owner }) => Object.assign(new Option(id, id), { title: owner }));
  form.model.replaceChildren(...options, new Option("Another name…", ""));
  form.model.selectedIndex = 0;
  form.hint.textContent = data.length ? "" : "No model has a name of its own here. Write provider/model.";
  modelChanged();
}

function modelChanged() {
  form.name.hidden = form.model.value !== "";
  showExamples(model());
}

async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").filter((line) => line.startsWith("data:"));
      const data = lines.map((line) => line.slice(5).trim()).join("\n");
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

function addTurn(kind, ...content) {
  byId("empty").hidden = true;
  const log = byId("log");
  const node = log.appendChild(make("div", { className: `turn ${kind}` }, ...content));
  log.scrollTop = log.scrollHeight;
  return node;
}

function record(event) {
  const count = byId("events").childElementCount;
  byId("event-count").textContent = event.sequence_number + 1;
  if (count >= mostEvents) return;
  const brief = JSON.stringify(event.delta ?? event.item?.type ?? event.part?.type ?? event.response?.status ?? "");
  const details = make("details", null, make("summary", null,
    make("span", null, String(event.sequence_number)), make("span", null, event.type), make("span", null, brief)));
  details.addEventListener("toggle", () => {
    if (details.childElementCount === 1) details.append(make("pre", null, make("code", null, JSON.stringify(event, null, 2))));
  });
  byId("events").append(make("li", null, details));
}

// What an answer looks like while it grows: one element for each item, text added where it belongs.
class Answer {
  constructor() {
    this.began = performance.now();
    this.nodes = new Map();
    this.waiting = addTurn("model waiting");
    this.firstText = null;
    this.response = null;
  }

  take(event) {
    const target = this.nodes.get(event.item_id);
    if (event.type === "response.output_item.added") this.open(event.item);
    else if (event.type.endsWith(".delta") && target) this.grow(target, event.delta);
    else if (["response.completed", "response.incomplete", "response.failed"].includes(event.type)) {
      this.response = event.response;
    }
  }

  open(item) {
    this.waiting.remove();
    if (item.type === "message") this.nodes.set(item.id, addTurn("model"));
    if (item.type === "function_call") this.nodes.set(item.id, addTurn("call", `${item.name} `));
    if (item.type === "reasoning") {
      const text = make("div");
      addTurn("thought", make("details", null, make("summary", null, "Thoughts"), text));
      this.nodes.set(item.id, text);
    }
  }

  grow(target, text) {
    const log = byId("log");
    const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    this.firstText ??= performance.now() - this.began;
    target.append(text);
    if (follows) log.scrollTop = log.scrollHeight;
  }

  close(answeredBy) {
    this.waiting.remove();
    const response = this.response;
    if (!response) return;
    if (response.error) addTurn("failure", `${response.error.message} (${response.error.reason ?? response.error.code})`);
    const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
    const usage = response.usage;
    byId("facts").textContent = [
      response.incomplete_details ? `${response.status}: ${response.incomplete_details.reason}` : response.status,
      answeredBy && `by ${answeredBy}`,
      usage && `${usage.input_tokens} tokens in, ${usage.output_tokens} out${usage.estimated ? " (estimated)" : ""}`,
      this.firstText !== null && `first text after ${seconds(this.firstText)}`,
      `${seconds(performance.now() - this.began)} in all`,
      response.id,
    ].filter(Boolean).join(" · ");
  }
}

function requestFor(text) {
  const message = { role: "user", content: text };
  const body = { model: model(), stream: true, store: form.store.checked };
  if (form.instructions.value.trim()) body.instructions = form.instructions.value.trim();
  if (talk.previous) Object.assign(body, { previous_response_id: talk.previous, input: text });
  else body.input = talk.items.length ? [...talk.items, message] : text;
  return body;
}

function remember(text, response) {
  const said = response.output.filter((item) => item.type === "message")
    .map((item) => ({ role: "assistant", content: item.content.map((part) => part.text ?? part.refusal).join("") }));
  talk.items.push({ role: "user", content: text }, ...said);
  const calls = response.output.some((item) => item.type === "function_call");
  talk.previous = response.store && response.status !== "failed" && !calls ? response.id : null;
}

async function turn(text) {
  const body = requestFor(text);
  byId("events").replaceChildren();
  byId("event-count").textContent = "0";
  byId("facts").textContent = "";
  byId("sent").textContent = `POST ${base}/responses\n\n${JSON.stringify(body, null, 2)}`;
  addTurn("user", text);
  const answer = new Answer();
  running = new AbortController();
  try {
    const response = await fetch(`${base}/responses`, {
      method: "POST", headers: headers(), body: JSON.stringify(body), signal: running.signal,
    });
    if (!response.ok) throw new Error(await failureOf(response));
    for await (const event of eventsOf(response.body)) {
      record(event);
      answer.take(event);
    }
    answer.close(response.headers.get("x-actual-model"));
    if (answer.response) remember(text, answer.response);
    else throw new Error("The connection ended before the answer did.");
  } catch (error) {
    answer.close(null);
    if (running.signal.aborted) byId("facts").textContent = "Stopped. This turn is not part of the conversation.";
    else addTurn("failure", error instanceof TypeError ? `The connection broke: ${error.message}` : error.message);
  }
  running = null;
}

async function submit(event) {
  event.preventDefault();
  if (running) {
    running.abort();
    return;
  }
  const text = form.text.value.trim();
  const missing = [[form.key, !form.key.value.trim()], [form.name, !model()], [form.text, !text]].find(([, no]) => no);
  if (missing) {
    missing[0].focus();
    if (missing[0] !== form.text) byId("facts").textContent = "A key and a model are needed first.";
    return;
  }
  form.text.value = "";
  form.send.textContent = "Stop";
  byId("log").setAttribute("aria-busy", "true");
  await turn(text);
  byId("log").setAttribute("aria-busy", "false");
  form.send.textContent = "Send";
  form.text.focus();
}

function restart() {
  running?.abort();
  talk = { previous: null, items: [] };
  byId("log").replaceChildren(byId("empty"));
  byId("empty").hidden = false;
  byId("facts").textContent = "";
}

let typing = 0;
form.key.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(loadModels, 400);
});
form.model.addEventListener("change", modelChanged);
form.name.addEventListener("input", () => showExamples(model()));
form.store.addEventListener("change", () => {
  byId("store-hint").textContent = form.store.checked
    ? "The server remembers the conversation; each turn names the one before."
    : "The server forgets at once; each turn sends the whole conversation.";
});
form.text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!running) byId("compose").requestSubmit();
  }
});
byId("compose").addEventListener("submit", submit);
byId("settings").addEventListener("submit", (event) => event.preventDefault());
byId("restart").addEventListener("click", restart);
byId("show-key").addEventListener("click", (event) => {
  const shown = form.key.type === "password";
  form.key.type = shown ? "text" : "password";
  event.currentTarget.textContent = shown ? "Hide" : "Show";
  event.currentTarget.setAttribute("aria-pressed", String(shown));
});
loadModels();
