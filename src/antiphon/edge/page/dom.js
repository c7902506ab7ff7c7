// Small helpers. Data from anywhere only ever becomes text nodes.

const byId = (id) => document.getElementById(id);

// An element: properties by name, attributes with a dash or `role` in their name, then its children.
function make(tag, fields, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (name.includes("-") || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

// Text with `code` in it, as nodes.
function prose(text) {
  return String(text ?? "").split("`").map((piece, index) => (index % 2 ? make("code", null, piece) : piece));
}

async function copyText(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select and copy by hand";
  }
  setTimeout(() => { button.textContent = label; }, 1500);
}

// Beside this page, whatever path a proxy has put in front of it.
const base = new URL("v1", location.href).href;

async function showState() {
  const pill = byId("state");
  try {
    const { status, checks } = await (await fetch("readyz")).json();
    const missing = Object.entries(checks).filter(([, state]) => state !== "ok");
    pill.textContent = status;
    pill.title = missing.map(([name, state]) => `${name}: ${state}`).join(", ");
    pill.className = missing.length ? "pill bad" : "pill good";
  } catch {
    pill.textContent = "not reachable";
    pill.className = "pill bad";
  }
}

byId("base").textContent = base;
byId("copy-base").addEventListener("click", (event) => copyText(base, event.currentTarget));
showState();
