// Questions to the server, and who asks them.

import {language, words} from "/page/language.js";

// The answer as an object; `body` is sent as JSON. Throws what the server says went wrong, with the status (0: no answer).
export async function ask(path, {method = "GET", body} = {}) {
  const headers = {accept: "application/json", "accept-language": language};
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    if (method !== "GET") headers["x-csrf-token"] = (await me).csrf;
    answer = await fetch(path, {method, headers, body: body === undefined ? undefined : JSON.stringify(body)});
  } catch {
    throw Object.assign(new Error(words.away), {status: 0});
  }
  if (answer.status === 401) location.assign("/login");
  const content = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok || (content === null && answer.status !== 204)) throw Object.assign(new Error(content?.detail ?? `${answer.status} ${answer.statusText}`), {status: answer.status});
  return content;
}

// Who is signed in: {name, roles, csrf, can_leave}.
export const me = ask("/v1/session");
me.catch(() => {}); // whoever waits for it is told

export const may = async (role) => (await me).roles.includes(role);
