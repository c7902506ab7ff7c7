// The reference, drawn from openapi.json.

let components = {};

function resolve(schema) {
  if (!schema.$ref) return schema;
  const [kind, name] = schema.$ref.split("/").slice(2);
  return components[kind][name];
}

const nameOf = (schema) => schema.$ref.split("/").pop();
const alternatives = (schema) => schema.oneOf ?? schema.anyOf ?? [];

function kindOf(schema) {
  if (schema.$ref) return nameOf(schema);
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.oneOf || schema.anyOf) return [...new Set(alternatives(schema).map(kindOf))].join(" | ");
  const kinds = [schema.type ?? "anything"].flat();
  return kinds.map((kind) => (kind === "array" && schema.items ? `list of ${kindOf(schema.items)}` : kind)).join(" | ");
}

function boundsOf(schema) {
  const bounds = [];
  const huge = 2 ** 53 - 1;
  if (schema.minimum !== undefined && Math.abs(schema.minimum) < huge) bounds.push(`from ${schema.minimum}`);
  if (schema.maximum !== undefined && Math.abs(schema.maximum) < huge) bounds.push(`to ${schema.maximum}`);
  if (schema.maxLength !== undefined) bounds.push(`up to ${schema.maxLength} characters`);
  if (schema.default !== undefined) bounds.push(`default ${JSON.stringify(schema.default)}`);
  return bounds.length ? `, ${bounds.join(" ")}` : "";
}

// The one object in a schema that may also be null.
function objectIn(schema) {
  const found = [schema, ...alternatives(schema)].filter((one) => one.$ref && resolve(one).properties);
  return found.length === 1 ? found[0] : null;
}

// `remark`: what to say beside the name, if anything.
function fieldRow(name, schema, remark) {
  const treatment = schema["x-antiphon-treatment"];
  return make("tr", null,
    make("td", null, make("code", null, name), remark ? make("span", { className: "required" }, ` ${remark}`) : null),
    make("td", null, make("span", { className: "kind" }, kindOf(schema) + boundsOf(schema))),
    make("td", null, ...prose(schema.description),
      treatment ? make("span", null, " ", make("span", { className: `badge ${treatment}` }, treatment)) : null));
}

// What is asked of a request, and what an answer may lack.
const remarks = {
  request: (schema, name) => (schema.required?.includes(name) ? "required" : ""),
  answer: (schema, name) => (schema.required?.includes(name) ? "" : "not always"),
};

function fieldRows(schema, side, prefix, seen) {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const inner = objectIn(field);
    const row = fieldRow(prefix + name, field, remarks[side](schema, name));
    if (!inner || seen.includes(inner.$ref)) return [row];
    return [row, ...fieldRows(resolve(inner), side, `${prefix}${name}.`, [...seen, inner.$ref])];
  });
}

function table(heads, rows, className) {
  const head = make("thead", null, make("tr", null, heads.map((text) => make("th", { scope: "col" }, text))));
  return make("div", { className: "scroll" }, make("table", { className }, head, make("tbody", null, rows)));
}

const fieldTable = (schema, side) => table(["Field", "Type", "Meaning"], fieldRows(schema, side, "", []), "fields");

// Objects that stand in lists or among alternatives: they get a table of their own.
function typesIn(schema, found = new Map(), inline = false) {
  const inner = schema.$ref ? resolve(schema) : schema;
  if (schema.$ref && inner.properties && !inline) {
    if (found.has(nameOf(schema))) return found;
    found.set(nameOf(schema), inner);
  }
  for (const field of Object.values(inner.properties ?? {})) typesIn(field, found, objectIn(field) === field);
  for (const one of alternatives(inner)) typesIn(one, found, objectIn(inner) === one);
  if (inner.items) typesIn(inner.items, found);
  return found;
}

function shown(schema, side) {
  const top = resolve(schema);
  if (!top.properties) return [];
  const types = [...typesIn({ ...top, oneOf: undefined, anyOf: undefined })].map(([name, type]) =>
    make("details", { className: "events" }, make("summary", null, make("code", null, name), " ", ...prose(type.description)),
      fieldTable(type, side)));
  return [fieldTable(top, side), ...types];
}

function responsesOf(operation) {
  return Object.entries(operation.responses).map(([status, response]) => {
    const answer = resolve(response);
    return make("tr", null, make("td", null, make("code", null, status)), make("td", null, ...prose(answer.description)));
  });
}

function contentOf(operation) {
  const sections = [make("p", null, ...prose(operation.description))];
  if (operation.parameters) {
    const rows = operation.parameters.map(({ name, schema, description, required, in: place }) =>
      fieldRow(name, { ...schema, description: `${description} In the ${place}.` }, required ? "required" : ""));
    sections.push(make("h4", null, "Parameters"), table(["Name", "Type", "Meaning"], rows, "fields"));
  }
  const body = operation.requestBody?.content["application/json"];
  if (body) sections.push(make("h4", null, "Body"), ...shown(body.schema, "request"));
  sections.push(make("h4", null, "Answers"), table(["Status", "Meaning"], responsesOf(operation)));
  const answer = operation.responses["200"].content["application/json"];
  if (answer && resolve(answer.schema).properties) {
    sections.push(make("h4", null, "Fields of the answer"), ...shown(answer.schema, "answer"));
  }
  return sections;
}

function operationOf(method, path, operation) {
  const name = { className: `method ${method}` };
  const details = make("details", { className: "operation", id: operation.operationId },
    make("summary", null, make("span", name, method.toUpperCase()), make("span", { className: "path" }, path),
      make("span", { className: "brief" }, operation.summary),
      operation.security ? make("span", { className: "badge" }, "no key") : null));
  details.addEventListener("toggle", () => {
    if (details.childElementCount === 1) details.append(make("div", null, contentOf(operation)));
  });
  return details;
}

function eventRows() {
  const events = components.schemas.ResponseStreamEvent.oneOf.map(resolve);
  const ends = (event) => Number(/^response\.(completed|incomplete|failed)$/.test(event.properties.type.const));
  return events.sort((one, other) => ends(one) - ends(other)).map((event) => {
    const fields = Object.keys(event.properties).filter((name) => name !== "type" && name !== "sequence_number");
    return make("tr", null, make("td", null, make("code", null, event.properties.type.const)),
      make("td", null, ...prose(event.description)), make("td", { className: "kind" }, fields.join(", ")));
  });
}

function draw(document) {
  components = document.components;
  byId("version").textContent = document.info.version;
  const groups = document.tags.map(({ name, description }) => [
    make("h3", null, `${name} `), make("p", { className: "muted" }, description),
    ...Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods)
      .filter(([, operation]) => operation.tags.includes(name))
      .map(([method, operation]) => operationOf(method, path, operation))),
  ]);
  byId("operations").replaceChildren(...groups.flat());
  byId("treatments").replaceChildren(...Object.entries(document["x-antiphon-treatments"]).flatMap(([name, text]) => [
    make("dt", null, make("span", { className: `badge ${name}` }, name)), make("dd", null, ...prose(text))]));
  byId("event-kinds").replaceChildren(table(["Event", "Meaning", "Fields beside its number"], eventRows()));
  byId("error-codes").replaceChildren(table(["Status", "Type", "Code", "Meaning"],
    document["x-antiphon-errors"].map((one) => make("tr", null, make("td", null, String(one.status)), make("td", null, one.type),
      make("td", null, make("code", null, one.code)), make("td", null, ...prose(one.meaning))))));
}

try {
  draw(await (await fetch("openapi.json")).json());
} catch (error) {
  byId("operations").replaceChildren(make("p", { className: "muted" }, `The reference could not be loaded: ${error.message}`));
}
