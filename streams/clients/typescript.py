"""The typed client for TypeScript: one module without dependencies, for browsers and Node."""

from collections.abc import Mapping
from typing import Final

from streams.clients.surface import Call, camel, literal, pascal, shapes, words_of
from streams.core.planned import Property

__all__ = ["typescript_client"]

_HEAD: Final = """/**
 * Typed events of this application.
 *
 * Written by `streams catalogue --typescript` (rules @VERSION@): change tracking_plan.yaml and write it again, do not edit it.
 *
 *     const events = new Events(post("http://127.0.0.1:8081", "WRITE_KEY"));
 *     await events.@EXAMPLE@({ userId: "u1" }, ...);
 */

/** Who did it: known by a user id, or by the anonymous id of a browser. */
export type User = { userId: string; anonymousId?: string } | { userId?: undefined; anonymousId: string };

export interface Options {
  /** An id of your own, so that the message may be sent twice and counts once. */
  messageId?: string;
  timestamp?: Date;
}

export interface Message extends Record<string, unknown> {
  type: string;
  messageId: string;
  timestamp: string;
}

/** What takes a finished message: `post`, or the `track` of a library that you already have. */
export type Send = (message: Message) => void | Promise<void>;

/** Sends each message at once to a collector; rejects when it was not accepted. */
export function post(url: string, writeKey: string): Send {
  const headers = { "content-type": "application/json", authorization: `Basic ${btoa(`${writeKey}:`)}` };
  return async (message) => {
    const to = `${url.replace(/\\/+$/, "")}/v1/${message.type}`;
    const answer = await fetch(to, { method: "POST", headers, body: JSON.stringify(message) });
    if (!answer.ok) throw new Error(`the collector answered ${answer.status}`);
  };
}
"""

_CLASS: Final = """
/** One method for each event. */
export class Events {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  #say(type: string, user: User, said: Record<string, unknown>, version: string, options: Options): void | Promise<void> {
    return this.#send({
      type,
      messageId: options.messageId ?? crypto.randomUUID(),
      timestamp: (options.timestamp ?? new Date()).toISOString(),
      ...said,
      ...user,
      ...(version ? { context: { protocols: { event_version: version } } } : {}),
    });
  }
"""


def typescript_client(calls: list[Call], version: str) -> str:
    """The module's source."""
    typed = [call for call in calls if call.properties]
    example = camel(next((call.words for call in typed), calls[0].words))
    parts = [_HEAD.replace("@VERSION@", version).replace("@EXAMPLE@", example)]
    for call in typed:
        for name, properties in shapes(call.shape, call.properties):
            parts.append(_interface(name, properties))
    return "".join([*parts, _CLASS, *map(_method, calls), "}\n"])


def _interface(name: str, properties: Mapping[str, Property]) -> str:
    lines = [
        f"{_remark(of)}  {key if key.isidentifier() and key.isascii() else literal(key)}{'' if of.required else '?'}: "
        f"{_type(of, name + pascal(words_of(key)))};\n"
        for key, of in properties.items()
    ]
    # A type and not an interface: only types can be given where any mapping is taken.
    return f"\nexport type {name} = {{\n{''.join(lines)}}};\n"


def _type(of: Property, name: str) -> str:
    kinds = {
        "string": "string",
        "number": "number",
        "integer": "number",
        "boolean": "boolean",
        "array": f"ReadonlyArray<{_type(of.items, name) if of.items else 'unknown'}>",
        "object": name if of.properties else "Record<string, unknown>",
    }
    parts = [literal(each) if isinstance(each, str) else str(each) for each in of.one_of] or list(
        dict.fromkeys(kinds[kind] for kind in of.types)
    )
    if not parts:
        return "unknown"
    return " | ".join([*parts, "null"] if of.nullable else parts)


def _words(text: str) -> str:
    return " ".join(text.split()).replace("*/", "* /")


def _remark(of: Property) -> str:
    return f"  /** {_words(of.description)} */\n" if of.description else ""


def _method(call: Call) -> str:
    holds, kind = call.holds, call.shape if call.properties else "Record<string, unknown>"
    first = {"page": "name: string, ", "screen": "name: string, ", "group": "groupId: string, "}.get(call.kind, "")
    said = {"track": f"event: {literal(call.event)}, ", "page": "name, ", "screen": "name, ", "group": "groupId, "}.get(call.kind, "")
    return f"""
  /** {_words(call.text)} */
  {camel(call.words)}(user: User, {first}{holds}: {kind}{"" if call.needed else " = {}"}, options: Options = {{}}): void | Promise<void> {{
    return this.#say({literal(call.kind)}, user, {{ {said}{holds} }}, {literal(call.version)}, options);
  }}
"""
