"use strict";
const WORDS = {
  en: {
    docs: "API", texts: "Texts, one a line", prompt: "Prompt before each text", key: "API key",
    compare: "Compare", shortcut: "Ctrl + Enter", example: "Example",
    default: "default", none: "none", empty: "no words",
    summary: (n, tokens, server, all) =>
      `${n} × ${n} · ${tokens} tokens · ${server} ms at the server, ${all} ms in all`,
    ms: "ms", tokens: n => `${n} ${n === 1 ? "token" : "tokens"}`,
    cut: n => `cut after ${n} tokens`,
    tooMany: (n, most) => `${n} texts are too many: the server takes ${most} at once.`,
    unreachable: "The server does not answer.",
    needsKey: "The server wants an API key.",
    dimension: n => `${n} dimensions`, similarity: "similarity",
  },
  ru: {
    docs: "API", texts: "Тексты, по одному в строке", prompt: "Промпт перед каждым текстом",
    key: "Ключ API", compare: "Сравнить", shortcut: "Ctrl + Enter", example: "Пример",
    default: "по умолчанию", none: "без промпта", empty: "нет слов",
    summary: (n, tokens, server, all) =>
      `${n} × ${n} · токенов: ${tokens} · ${server} мс на сервере, ${all} мс всего`,
    ms: "мс", tokens: n => `токенов: ${n}`,
    cut: n => `обрезан после ${n} токенов`,
    tooMany: (n, most) => `Текстов слишком много (${n}): сервер берёт не больше ${most} за раз.`,
    unreachable: "Сервер не отвечает.",
    needsKey: "Серверу нужен ключ API.",
    dimension: n => `размерность ${n}`, similarity: "сходство",
  },
};
const EXAMPLE = [
  "Кошка сидит на окне и смотрит на дождь.",
  "A cat sits at the window and watches the rain.",
  "Кот наблюдает за непогодой с подоконника.",
  "Курс рубля вырос на открытии торгов.",
  "The rouble gained as the market opened.",
];
const MOST_TOKENS = 600;  // shown of one text
const $ = id => document.getElementById(id);
let language = (navigator.language || "").startsWith("ru") ? "ru" : "en";
let info = null, last = null, latest = 0, timer = 0;
const dark = matchMedia("(prefers-color-scheme: dark)");
const words = () => WORDS[language];
const lines = () => $("texts").value.split("\n").map(l => l.trim()).filter(Boolean);
const number = (value, digits) => value.toLocaleString(language, {
  minimumFractionDigits: digits, maximumFractionDigits: digits,
  signDisplay: "negative",  // no -0.00
});

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

async function ask(path, body) {
  const headers = { "content-type": "application/json" };
  if ($("key").value) headers.authorization = `Bearer ${$("key").value}`;
  const options = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
  let response;
  try { response = await fetch(path, options) } catch { throw new Error(words().unreachable) }
  if (response.status === 401) {
    $("key-row").hidden = false;
    throw new Error(words().needsKey);
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  const told = /total;dur=([\d.]+)/.exec(response.headers.get("server-timing") || "");
  return { ...answer, server: told ? Number(told[1]) : 0 };
}

function showLanguage() {
  document.documentElement.lang = language;
  for (const part of document.querySelectorAll("[data-t]"))
    part.textContent = words()[part.dataset.t];
  for (const button of document.querySelectorAll("[data-language]"))
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  showInfo();
  if (last) show(last);
}

function showInfo() {
  if (!info) return;
  $("model").textContent =
    `${info.served_model_name} · ${info.model_dtype} · ${words().dimension(info.dimension)}`;
  const chosen = $("prompt").value;
  const told = text => (text ? `“${text.trim()}”` : words().none);
  $("prompt").replaceChildren(
    new Option(`${words().default}: ${told(info.default_prompt)}`, "default"),
    new Option(words().none, "none"),
    ...Object.entries(info.prompts).map(([k, v]) => new Option(`${k}: ${told(v)}`, `name:${k}`)));
  $("prompt").value = chosen || "default";
}

function prompt() {
  const chosen = $("prompt").value;
  if (chosen === "none") return { prompt: "" };
  return chosen.startsWith("name:") ? { prompt_name: chosen.slice(5) } : {};
}

async function run() {
  clearTimeout(timer);
  const own = ++latest, began = performance.now();
  document.body.classList.add("busy");
  try {
    if (!info) { info = await ask("/info"); showInfo() }
    const body = { texts: lines(), ...prompt() };
    if (body.texts.length > info.max_client_batch_size)
      throw new Error(words().tooMany(body.texts.length, info.max_client_batch_size));
    const answer = body.texts.length ? await ask("/playground/compare", body)
      : { similarity: [], texts: [], server: 0 };
    if (own !== latest) return;  // a newer request is under way
    last = { ...answer, request: body, inputs: body.texts,
      milliseconds: performance.now() - began };
    $("error").textContent = "";
    show(last);
  } catch (error) {
    if (own === latest) $("error").textContent = error.message;
  } finally {
    if (own === latest) document.body.classList.remove("busy");
  }
}

function show(result) {
  const tokens = result.texts.reduce((sum, text) => sum + text.tokens, 0);
  const n = result.inputs.length;
  $("summary").textContent = n === 0 ? words().empty : words().summary(
    n, tokens, number(result.server, 1), number(result.milliseconds, 1));
  $("pair").replaceChildren();
  showMatrix(result);
  $("list").replaceChildren(...result.texts.map((text, i) => {
    const facts = element("summary", {},
      `${words().tokens(text.tokens)} · ${number(text.milliseconds, 1)} ${words().ms}`);
    if (text.truncated) facts.append(" · ", element("em", {}, words().cut(text.tokens)));
    const input = result.inputs[i], tokens = element("p", { className: "tokens" });
    const details = element("details", {}, facts, tokens);
    details.addEventListener("toggle", () => showTokens(tokens, text, input, result.request));
    return element("li", {}, input.length > 300 ? `${input.slice(0, 300)}…` : input, details);
  }));
}

async function showTokens(place, text, inputs, { prompt, prompt_name }) {
  if (place.childNodes.length) return;
  try {
    const tokens = (await ask("/tokenize", { inputs, prompt, prompt_name }))[0];
    const trailing = tokens.length - 1 - tokens.findLastIndex(token => !token.special);
    const cut = i => i >= text.tokens - trailing && i < tokens.length - trailing;
    const shown = tokens.map((token, i) => element("span", {
      className: token.special ? "special" : cut(i) ? "cut" : "", title: token.id,
    }, token.text));
    if (shown.length > MOST_TOKENS)
      shown.splice(MOST_TOKENS, shown.length - MOST_TOKENS - trailing, "…");
    place.replaceChildren(...shown);
  } catch (error) {
    $("error").textContent = error.message;
  }
}

function showMatrix(result) {
  const values = result.similarity.flat();
  const low = Math.min(...values), high = Math.max(...values);
  const share = value => (high > low ? (value - low) / (high - low) : 1);
  const n = result.inputs.length;
  const head = element("tr", {}, element("th"),
    ...result.inputs.map((_, i) => element("th", { scope: "col" }, String(i + 1))));
  const rows = result.similarity.map((row, i) => element("tr", {},
    element("th", { scope: "row" }, String(i + 1)),
    ...row.map((value, j) => cell(value, share(value), i, j))));
  $("matrix").className = n > 10 ? "many" : "";
  $("matrix").replaceChildren(...(n ? [element("thead", {}, head), element("tbody", {}, ...rows)] : []));
  $("scale").hidden = n < 2;
  $("scale").firstChild.textContent = number(n ? low : 0, 2);
  $("scale").lastChild.textContent = number(n ? high : 0, 2);
}

function cell(value, share, i, j) {
  const made = element("td", { tabIndex: i + j === 0 ? 0 : -1 }, number(value, 2));
  Object.assign(made.dataset, { row: i, column: j, value });
  made.style.setProperty("--t", share.toFixed(3));
  made.classList.toggle("strong", share > (dark.matches ? 0.52 : 0.75));  // the better contrast
  made.setAttribute("aria-label", `${i + 1}, ${j + 1}: ${number(value, 2)}`);
  return made;
}

function point(at) {
  if (!at || at.tagName !== "TD" || !last) return;
  const i = Number(at.dataset.row), j = Number(at.dataset.column);
  for (const th of $("matrix").querySelectorAll("th")) th.classList.remove("on");
  $("matrix").tHead.rows[0].cells[j + 1].classList.add("on");
  $("matrix").tBodies[0].rows[i].cells[0].classList.add("on");
  const short = text => (text.length > 160 ? `${text.slice(0, 160)}…` : text);
  $("pair").replaceChildren(
    element("b", {}, `${words().similarity} ${number(last.similarity[i][j], 4)}`),
    element("br"), `${i + 1}. ${short(last.inputs[i])}`,
    element("br"), `${j + 1}. ${short(last.inputs[j])}`);
}

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
$("matrix").addEventListener("keydown", event => {
  const step = STEPS[event.key], from = event.target;
  if (!step || from.tagName !== "TD") return;
  const row = Number(from.dataset.row) + step[0], column = Number(from.dataset.column) + step[1];
  const to = $("matrix").querySelector(`td[data-row="${row}"][data-column="${column}"]`);
  if (!to) return;
  event.preventDefault();
  from.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
});
for (const name of ["focusin", "mouseover", "click"])
  $("matrix").addEventListener(name, event => point(event.target));
$("form").addEventListener("submit", event => { event.preventDefault(); run() });
$("texts").addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
});
$("texts").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(run, 500) });
$("prompt").addEventListener("change", run);
$("key").addEventListener("change", run);
$("example").addEventListener("click", () => { $("texts").value = EXAMPLE.join("\n"); run() });
for (const button of document.querySelectorAll("[data-language]"))
  button.addEventListener("click", () => { language = button.dataset.language; showLanguage() });
dark.addEventListener("change", () => { if (last) show(last) });
$("texts").value = EXAMPLE.join("\n");
showLanguage();
run();
