// The examples: three languages, three steps, with this server's address and the model of the form.

const languages = {
  curl: (url, model) => [
    ["First answer", `curl ${url}/responses \\
  -H "Authorization: Bearer $ANTIPHON_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "input": "What is a fugue?"}'`],
    ["As a stream", `curl -N ${url}/responses \\
  -H "Authorization: Bearer $ANTIPHON_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "input": "What is a fugue?", "stream": true}'`],
    ["Continue the conversation", `curl ${url}/responses \\
  -H "Authorization: Bearer $ANTIPHON_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "previous_response_id": "resp_…", "input": "Who wrote the best ones?"}'`],
  ],
  Python: (url, model) => [
    ["First answer", `import os
from openai import OpenAI

client = OpenAI(base_url="${url}", api_key=os.environ["ANTIPHON_API_KEY"])

response = client.responses.create(model="${model}", input="What is a fugue?")
print(response.output_text)`],
    ["As a stream", `with client.responses.stream(model="${model}", input="What is a fugue?") as stream:
    for event in stream:
        if event.type == "response.output_text.delta":
            print(event.delta, end="", flush=True)`],
    ["Continue the conversation", `answer = client.responses.create(
    model="${model}",
    previous_response_id=response.id,
    input="Who wrote the best ones?",
)
print(answer.output_text)`],
  ],
  JavaScript: (url, model) => [
    ["First answer", `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${url}", apiKey: process.env.ANTIPHON_API_KEY });

const response = await client.responses.create({ model: "${model}", input: "What is a fugue?" });
console.log(response.output_text);`],
    ["As a stream", `const stream = await client.responses.create({
  model: "${model}",
  input: "What is a fugue?",
  stream: true,
});
for await (const event of stream) {
  if (event.type === "response.output_text.delta") process.stdout.write(event.delta);
}`],
    ["Continue the conversation", `const answer = await client.responses.create({
  model: "${model}",
  previous_response_id: response.id,
  input: "Who wrote the best ones?",
});
console.log(answer.output_text);`],
  ],
};

const tabs = Object.keys(languages).map((name, index) => make("button", {
  type: "button", role: "tab", id: `tab-${name}`, textContent: name,
  "aria-controls": `panel-${name}`, "aria-selected": String(index === 0), tabIndex: index ? -1 : 0,
}));
const panels = Object.keys(languages).map((name, index) => make("div", {
  className: "panel", role: "tabpanel", id: `panel-${name}`, "aria-labelledby": `tab-${name}`, hidden: index > 0,
}));

function choose(chosen) {
  tabs.forEach((tab, index) => {
    tab.setAttribute("aria-selected", String(index === chosen));
    tab.tabIndex = index === chosen ? 0 : -1;
    panels[index].hidden = index !== chosen;
  });
}

function snippet(title, code) {
  const button = make("button", { type: "button", className: "small", textContent: "Copy" });
  button.setAttribute("aria-label", `Copy: ${title}`);
  button.addEventListener("click", () => copyText(code, button));
  return make("div", { className: "snippet" },
    make("header", null, make("span", null, title), button),
    make("pre", { tabIndex: 0 }, make("code", null, code)));
}

function showExamples(model) {
  Object.values(languages).forEach((write, index) => {
    panels[index].replaceChildren(...write(base, model || "local").map(([title, code]) => snippet(title, code)));
  });
}

tabs.forEach((tab, index) => {
  tab.addEventListener("click", () => choose(index));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (index + step + tabs.length) % tabs.length;
    choose(next);
    tabs[next].focus();
  });
});
byId("tabs").append(...tabs);
byId("panels").append(...panels);
showExamples("");
