"""The generated TypeScript client, compiled by the real compiler and run by Node."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from streams.clients.typescript import typescript_client
from streams.core.trackingplan import PlanChecker
from tests.unit.test_clients import CALLS, PLAN

CACHE = Path(__file__).parents[2] / ".cache" / "typescript"
COMPILER = "typescript@5.9.3"

USAGE = """\
import { Events, type Message } from "./events.js";
const said: Message[] = [];
const e = new Events((message) => { said.push(message); });
const u = { userId: "u1" };
await e.orderCompleted(u, { order_id: "1", currency: "EUR", products: [{ sku: "a", n: 1 }] }, { messageId: "m1" });
await e.orderCompletedV2({ anonymousId: "a1" }, { "order id": null });
await e.page(u, "Home");
await e.identify(u, { plan: "paid" });
console.log(JSON.stringify(said));
"""
WRONG = """\
import { Events } from "./events.js";
const e = new Events(() => {});
const u = { userId: "u1" };
e.orderCompleted(u, { revenue: 1 });
e.orderCompleted(u, { order_id: 1 });
e.orderCompleted(u, { order_id: "1", currency: "GBP" });
e.orderCompleted(u, { order_id: "1", colour: "red" });
e.orderCompleted({}, { order_id: "1" });
e.orderComplete(u, {});
"""
OPTIONS = ("--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler", "--lib", "es2022,dom")


@pytest.fixture(scope="module")
def tsc() -> Path:
    """The compiler, installed once."""
    if shutil.which("npm") is None:
        pytest.skip("NOT RUN: npm is not installed")
    compiler = CACHE / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-save", "--no-audit", "--no-fund", "--prefix", str(CACHE), COMPILER], check=True)
    return compiler


@pytest.mark.long
def test_the_client_compiles_refuses_what_the_plan_refuses_and_says_what_fits(tsc: Path, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "events.ts").write_text(typescript_client(CALLS, "1a2b3c"))
    (tmp_path / "usage.ts").write_text(USAGE)
    (tmp_path / "wrong.ts").write_text(WRONG)
    subprocess.run([str(tsc), *OPTIONS, "usage.ts"], cwd=tmp_path, check=True)
    done = subprocess.run([str(tsc), *OPTIONS, "--noEmit", "wrong.ts"], cwd=tmp_path, capture_output=True, text=True)
    assert {int(line) for line in re.findall(r"^wrong\.ts\((\d+),", done.stdout, re.MULTILINE)} == {4, 5, 6, 7, 8, 9}
    assert "events.ts(" not in done.stdout
    ran = subprocess.run(["node", "usage.js"], cwd=tmp_path, capture_output=True, text=True, check=True)
    said = json.loads(ran.stdout)
    check = PlanChecker(PLAN)
    assert [check.judge(json.dumps(message).encode()) for message in said] == [None] * 4
    assert [message["type"] for message in said] == ["track", "track", "page", "identify"]
    assert (said[0]["messageId"], said[0]["event"], said[1]["anonymousId"]) == ("m1", "Order Completed", "a1")
    assert said[1]["context"] == {"protocols": {"event_version": "2"}}
