// Verifies one message with the published library: {"secret", "headers", "body"} on stdin; what it says on stdout.
import { readFileSync } from "node:fs";

import { Webhook } from "standardwebhooks";

const { secret, headers, body } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(new Webhook(secret).verify(body, headers)));
