// A front end on another origin. `credentials: "include"` sends the session's cookie, and the
// application lets this origin read the answers (CORS) and change something (a trusted origin).
"use strict";

const api = document.body.dataset.api;
const byId = (id) => document.getElementById(id);

function ask(path, body) {
  const options = { credentials: "include" };
  if (body) {
    options.method = "POST";
    options.headers = { "content-type": "application/json" };
    options.body = JSON.stringify(body);
  }
  return fetch(api + path, options);
}

function say(text) {
  const line = document.createElement("p");
  line.textContent = text;
  byId("message").replaceChildren(...(text ? [line] : []));
}

function offer(button, thing, pair) {
  const icon = document.createElement("span");
  icon.className = "icon";
  icon.setAttribute("aria-hidden", "true");
  icon.textContent = thing.icon;
  button.replaceChildren(icon, thing.name);
  button.disabled = false;
  button.onclick = () => vote(pair[0].id, pair[1].id, thing.id);
}

async function next() {
  const { things, votes, pairs } = await (await ask("/api/pair")).json();
  byId("choice").hidden = !things;
  if (things) {
    offer(byId("one"), things[0], things);
    offer(byId("other"), things[1], things);
  }
  byId("progress").textContent = `You have voted on ${votes} of ${pairs} pairs.`;
}

async function vote(one, other, winner) {
  byId("one").disabled = byId("other").disabled = true;
  const answer = await ask("/api/votes", { one, other, winner });
  say(answer.ok ? "" : "That vote was not counted. Here is another pair.");
  await next();
}

async function start() {
  const me = await ask("/api/me");
  byId("who").textContent = me.ok ? (await me.json()).name : "Guest";
  await next();
}

start().catch(() => say("The application does not answer. Is it running?"));
