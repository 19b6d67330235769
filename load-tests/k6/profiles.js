// Loads of many users, as profiles by name; run.py starts what they need and runs them.
//
//   PROFILE    one of those below
//   SCALE      users and requests per second are multiplied with it, 1 by default
//   TIME       durations are multiplied with it, 1 by default
//   API        address of the service
//   RATE       expensive questions a second in the overload, 500 by default; SCALE does not count
//   WALLETS    file with one wallet a line, whose results exist after the first submission
//
// A failed request is one that was answered otherwise than documented for it: 503 to a submission when all
// places for jobs are taken is an answer, 500 never is.
import exec from 'k6/execution';
import http from 'k6/http';
import { check, sleep, fail } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';

const API = __ENV.API;
// Of questions that are computed (docs/api.md, Targets).
const TARGET_MS = 2000;
const SCALE = Number(__ENV.SCALE || 1);
const TIME = Number(__ENV.TIME || 1);
const wallets = open(__ENV.WALLETS).split('\n').filter((line) => line);

const health = new Trend('health_ms', true);
const shed = new Rate('shed');
const answered = new Counter('answered');
const recovery = new Trend('recovery_ms', true);
const submitted = new Counter('jobs_submitted');

const users = (count) => Math.max(1, Math.round(count * SCALE));
const seconds = (count) => `${Math.max(1, Math.round(count * TIME))}s`;
const minutes = (count) => seconds(60 * count);

// A fixed number of requests a second, from at most so many users.
const steady = (most, rate, time) => ({
  executor: 'constant-arrival-rate', rate: users(rate), timeUnit: '1s', duration: minutes(time),
  preAllocatedVUs: users(most), maxVUs: users(most), exec: 'mixed',
});
// Users who come, stay and go; each makes a request and then thinks for a second.
const crowd = (...stages) => ({
  executor: 'ramping-vus', startVUs: 0, exec: 'user', gracefulRampDown: '5s',
  stages: stages.map(([time, target]) => ({ duration: minutes(time), target: users(target) })),
});
const tier = (most) => ({
  load: crowd([2, most / 5], [5, most / 5], [2, most], [5, most], [2, 0]),
});

// The gate of every profile but the overload: 95 of 100 answers in half a second, less than one in a hundred failed.
const gate = { http_req_failed: ['rate<0.01'], http_req_duration: ['p(95)<500'], checks: ['rate>0.99'] };

const profiles = {
  // Tiers by their number of users at a time.
  'tier-200': { scenarios: tier(200), thresholds: gate },
  'tier-500': { scenarios: tier(500), thresholds: gate },
  'tier-1000': { scenarios: tier(1000), thresholds: gate },
  'tier-5000': { scenarios: tier(5000), thresholds: gate },
  'tier-10000': { scenarios: tier(10000), thresholds: gate },
  // Days of a service.
  normal: { scenarios: { load: steady(100, 50, 30) }, thresholds: gate },
  peak: { scenarios: { load: steady(500, 250, 15) }, thresholds: gate },
  spike: { scenarios: { load: steady(1000, 500, 5) }, thresholds: gate },
  endurance: { scenarios: { load: steady(200, 100, 120) }, thresholds: gate },
  // More and more, until a threshold breaks: the report says how far it went.
  breakpoint: {
    scenarios: {
      load: {
        executor: 'ramping-arrival-rate', startRate: users(50), timeUnit: '1s', exec: 'mixed',
        preAllocatedVUs: users(500), maxVUs: users(2000),
        stages: [{ duration: minutes(20), target: users(2000) }],
      },
    },
    thresholds: {
      http_req_failed: [{ threshold: 'rate<0.01', abortOnFail: true, delayAbortEval: '10s' }],
      http_req_duration: [{ threshold: 'p(95)<500', abortOnFail: true, delayAbortEval: '10s' }],
    },
  },
  // As many expensive questions as are answered when few ask: what the overload is five times of.
  capacity: {
    scenarios: {
      load: { executor: 'constant-vus', vus: 16, duration: seconds(30), exec: 'expensive' },
      probes: {
        executor: 'constant-arrival-rate', rate: 10, timeUnit: '1s', duration: seconds(30),
        preAllocatedVUs: 20, maxVUs: 50, exec: 'probe',
      },
    },
    // The last one tells what the machine itself does: the same is measured in the overload.
    thresholds: { shed: ['rate==0'], http_req_failed: ['rate<0.01'], health_ms: ['p(95)<100'] },
  },
  // Expensive questions far beyond what the machine can answer: what is too much is refused at once and says when
  // to come again, and ten seconds later all is as before.
  overload: {
    scenarios: {
      load: {
        executor: 'constant-arrival-rate', rate: Math.round(Number(__ENV.RATE || 500)), timeUnit: '1s', duration: minutes(1),
        preAllocatedVUs: 1000, maxVUs: 1000, exec: 'expensive',
      },
      after: {
        executor: 'constant-arrival-rate', rate: 5, timeUnit: '1s', duration: '30s',
        startTime: minutes(1), preAllocatedVUs: 20, maxVUs: 50, exec: 'recovered',
      },
    },
    thresholds: {
      http_req_failed: ['rate<0.01'],
      'shed{scenario:load}': ['rate>0'],
      // The last answer that was refused or came later than its target, counted from the end of the load.
      recovery_ms: ['max<10000'],
      checks: ['rate>0.99'],
    },
  },
  // Probes while that lasts. In a process of their own: among a thousand users of one k6 they wait for their turn
  // in it, and it is the service that is measured.
  probes: {
    scenarios: {
      load: {
        executor: 'constant-arrival-rate', rate: 10, timeUnit: '1s', duration: seconds(45),
        preAllocatedVUs: 20, maxVUs: 50, exec: 'probe',
      },
    },
    thresholds: { health_ms: ['p(95)<100'], http_req_failed: ['rate==0'], checks: ['rate==1'] },
  },
};

const chosen = profiles[__ENV.PROFILE];
if (!chosen) throw new Error(`PROFILE is one of ${Object.keys(profiles).join(', ')}`);

export const options = {
  ...chosen,
  summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max'],
};

// One job whose results everybody reads; probes read nothing.
export function setup() {
  if (__ENV.PROFILE === 'probes') return {};
  const answer = submit(wallets, `load-${Date.now()}`);
  if (answer.status !== 202) fail(`the first job was refused: ${answer.status} ${answer.body}`);
  const job = answer.json('job_id');
  for (let look = 0; look < 600; look += 1) {
    const status = http.get(`${API}/api/pnl/batch/status/${job}?wait=10`).json();
    if (status.done) {
      if (status.status !== 'completed') fail(`the first job ended as ${status.status}`);
      return { job, pinned: Date.parse(status.pinned.block_time) };
    }
  }
  return fail('the first job does not end');
}

const some = (list) => list[Math.floor(Math.random() * list.length)];

function submit(addresses, key) {
  return http.post(`${API}/api/pnl/batch/run`, JSON.stringify({ chain: 'solana', wallet_addresses: addresses }), {
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key },
    tags: { name: 'submit' },
    responseCallback: http.expectedStatuses(202, 503),
  });
}

function read(name, path) {
  const answer = http.get(`${API}${path}`, {
    tags: { name }, responseCallback: http.expectedStatuses(200, 304),
  });
  check(answer, { [`${name} is answered`]: (a) => a.status === 200 });
}

// What clients and dashboards ask for, in their shares.
function request({ job }) {
  const wallet = some(wallets);
  const draw = Math.random();
  if (draw < 0.02) {
    const answer = submit([wallet], `load-${__VU}-${__ITER}-${Date.now()}`);
    const full = answer.status === 503 && answer.json('code') === 'capacity-exhausted';
    check(answer, { 'a submission is accepted or refused for want of a place': (a) => a.status === 202 || full });
    if (answer.status === 202) submitted.add(1);
  } else if (draw < 0.05) probe();
  else if (draw < 0.35) read('status', `/api/pnl/batch/status/${job}`);
  else if (draw < 0.55) read('results', `/api/pnl/batch/results/${job}?limit=100`);
  else if (draw < 0.65) read('latest', '/api/pnl/results?sort=-total_pnl_usd&limit=50');
  else if (draw < 0.90) read('wallet', `/api/v2/wallets/${wallet}/pnl?chain=solana`);
  else if (draw < 0.95) read('ledger', `/api/v2/wallets/${wallet}/ledger?chain=solana&limit=100`);
  else read('what-if', `/api/v2/wallets/${wallet}/what-if?chain=solana`);
}

export function mixed(data) {
  request(data);
}

export function user(data) {
  request(data);
  sleep(1);
}

export function probe() {
  const answer = http.get(`${API}/api/health`, { tags: { name: 'health' } });
  health.add(answer.timings.duration);
  check(answer, { 'health is answered': (a) => a.status === 200 });
}

// Questions that have to be computed: no two are the same, so nothing that is kept answers them.
function compute({ pinned }) {
  const asOf = new Date(pinned - Math.floor(Math.random() * 30 * 86_400_000)).toISOString();
  const path = `/api/v2/wallets/${some(wallets)}/pnl?chain=solana&as_of=${asOf}`;
  return http.get(`${API}${path}`, {
    tags: { name: 'pnl as of' }, responseCallback: http.expectedStatuses(200, 503),
  });
}

export function expensive(data) {
  const answer = compute(data);
  shed.add(answer.status === 503);
  if (answer.status === 200) answered.add(1);
  check(answer, {
    'a refusal says when to come again': (a) => a.status === 200 || a.headers['Retry-After'] !== undefined,
  });
}

// All is as before when every question is answered in time from then on.
export function recovered(data) {
  const answer = compute(data);
  const isAsBefore = answer.status === 200 && answer.timings.duration < TARGET_MS;
  recovery.add(isAsBefore ? 0 : Date.now() - exec.scenario.startTime);
}
