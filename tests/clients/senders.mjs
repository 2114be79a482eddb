// Trackers for Node as their makers ship them: node senders.mjs NAME URL KEY, beside the packages of package.json.
import { createRequire } from "node:module";

const EVENTS = 24, USERS = 4, RETRIES = 20;
const [name, url, key] = process.argv.slice(2);
const require = createRequire(process.cwd() + "/");
const user = (number) => `user-${number % USERS}`;

const senders = {
  async segment() {
    const { Analytics } = require("@segment/analytics-node");
    const client = new Analytics({ writeKey: key, host: url, maxRetries: RETRIES, flushAt: 10, flushInterval: 50 });
    for (let n = 0; n < EVENTS; n++) client.track({ userId: user(n), event: "Product Viewed", properties: { n } });
    await client.closeAndFlush({ timeout: 60000 });
  },
  async posthog() {
    const { PostHog } = require("posthog-node");
    const client = new PostHog(key, { host: url, flushAt: 10, flushInterval: 50, fetchRetryCount: RETRIES, fetchRetryDelay: 200 });
    for (let n = 0; n < EVENTS; n++) client.capture({ distinctId: user(n), event: "Product Viewed", properties: { n } });
    await client.shutdown(60000);
  },
};

await senders[name]();
