// The report's data: an index of all calls, read at once, and their details in packed chunks, read when they are wanted.

const REPORT = {};
const chunkCache = new Map();

function bytesOf(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Unpack a block of the page: base64 of gzip of JSON. */
async function unpack(id) {
  const stream = new Blob([bytesOf(document.getElementById(id).textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

async function readIndex() {
  const { meta, calls, errors, in_part } = await unpack("index");
  Object.assign(REPORT, meta, { calls, errors, in_part, n: calls.call_id.length });
  calls.agent_cut_in = calls.agent_interruptions.map((n, i) => (known(n) && calls.duration_s[i] ? (600 * n) / calls.duration_s[i] : null));
  REPORT.byId = new Map(calls.call_id.map((id, i) => [id, i]));
  REPORT.day = calls.start.map((at) => (known(at) ? dayOf(at) : null));
  REPORT.hour = calls.start.map((at) => (known(at) ? new Date(at * 1000).getHours() : null));
}

/** Number of the chunk that holds a call's details. */
function chunkOf(call) {
  let [low, high] = [0, REPORT.chunks.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (REPORT.chunks[middle] <= call) low = middle;
    else high = middle;
  }
  return low;
}

async function readDetails(call) {
  const chunk = chunkOf(call);
  if (!chunkCache.has(chunk)) {
    if (chunkCache.size >= 4) chunkCache.delete(chunkCache.keys().next().value);
    chunkCache.set(chunk, unpack(`details-${chunk}`));
  }
  return (await chunkCache.get(chunk))[call - REPORT.chunks[chunk]];
}

// Search: what the index holds is found at once, transcripts while their chunks are unpacked.

const spoken = [];
let searching = 0;

/** Tell `found(set, done)` which calls hold the words, again and again until all are read or another search begins. */
async function search(words, found) {
  searching += 1;
  const [mine, wanted, hits, { calls }] = [searching, words.toLowerCase(), new Set(), REPORT];
  for (let i = 0; i < REPORT.n; i += 1) {
    const facts = [calls.call_id[i], calls.agent[i], calls.queue[i], calls.path[i], calls.human_request_quote[i]];
    if (facts.some((fact) => fact && fact.toLowerCase().includes(wanted))) hits.add(i);
  }
  const chunks = REPORT.chunks.length - 1;
  let shown = 0;
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    if (!spoken[chunk]) {
      const details = await unpack(`details-${chunk}`);
      spoken[chunk] = details.map(({ u }) => u.map((one) => one[3] || "").join("\n").toLowerCase());
    }
    if (mine !== searching) return;
    spoken[chunk].forEach((text, i) => {
      if (text.includes(wanted)) hits.add(REPORT.chunks[chunk] + i);
    });
    if (performance.now() - shown > 250 && chunk < chunks - 1) {
      shown = performance.now();
      found(hits, REPORT.chunks[chunk + 1]);
      await new Promise((resume) => setTimeout(resume));
    }
  }
  found(hits, REPORT.n);
}

function forgetSearch() {
  searching += 1;
}
