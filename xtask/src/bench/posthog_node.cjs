// Sends the events of recorded requests with PostHog's own client, 1,000 per flush, awaited, without delay.
// Usage: node posthog_node.cjs FOLDER HOST. Prints events, processor seconds, seconds and peak memory as JSON.
const fs = require('node:fs');
const path = require('node:path');
const zlib = require('node:zlib');
const { PostHog } = require('posthog-node');

const [folder, host] = process.argv.slice(2);
const events = [];
for (const name of fs.readdirSync(folder).sort()) {
  const body = JSON.parse(zlib.gunzipSync(fs.readFileSync(path.join(folder, name))));
  for (const event of body.batch) {
    // What the client adds by itself is not given to it.
    for (const own of ['$lib', '$lib_version', '$is_server', '$geoip_disable']) delete event.properties[own];
    events.push({
      distinctId: event.distinct_id,
      event: event.event,
      properties: event.properties,
      timestamp: event.properties.timestamp,
      uuid: event.uuid,
    });
  }
}

async function main() {
  const client = new PostHog('phc_bench', { host, flushAt: 1000, maxQueueSize: 10000 });
  let failure;
  client.on('error', (error) => (failure = error));
  const began = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  for (let index = 0; index < events.length; index++) {
    client.capture(events[index]);
    if ((index + 1) % 1000 === 0) await client.flush();
  }
  await client.flush();
  await client.shutdown();
  if (failure) throw failure;
  const used = process.cpuUsage(cpu);
  const figures = {
    events: events.length,
    cpu_seconds: (used.user + used.system) / 1e6,
    seconds: Number(process.hrtime.bigint() - began) / 1e9,
    peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
  };
  console.log(JSON.stringify(figures));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
