// Reads requests from standard input, one JSON object a line, and says of each whether npm's standardwebhooks verifies it.
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

for (const line of require("fs").readFileSync(0, "utf8").trim().split("\n")) {
  const { secret, headers, body } = JSON.parse(line);
  try {
    new Webhook(secret).verify(body, headers);
    console.log("verified");
  } catch (err) {
    if (!(err instanceof WebhookVerificationError)) throw err;
    console.log(err.message);
  }
}
