// One kind of call, repeated by a number of callers for some seconds; run by benchmarks/load.py with its job as JSON.
import grpc from 'k6/net/grpc';
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';

const job = JSON.parse(__ENV.JOB);
const took = new Trend('took', true);
const failed = new Counter('failed');
const client = new grpc.Client();
if (job.kind === 'grpc') client.loadProtoset(job.protoset);

export const options = {
  scenarios: {
    load: { executor: 'constant-vus', vus: job.callers, duration: `${job.seconds}s`, gracefulStop: '15s' },
  },
  summaryTrendStats: ['med', 'p(99)', 'count'],
  discardResponseBodies: true,
  hosts: job.hosts,
};

let connected = false;

function callGrpc() {
  if (!connected) {
    client.connect(job.target, job.connect);
    connected = true;
  }
  const begun = Date.now();
  const answer = client.invoke(job.method, job.body, { metadata: job.headers, discardResponseMessage: true });
  return [Date.now() - begun, answer.status === grpc.StatusOK, String(answer.error && answer.error.message)];
}

function callHttp() {
  const answer = http.get(job.target, { headers: job.headers });
  return [answer.timings.duration, answer.status === 200, `${answer.status} ${answer.error}`];
}

function call() {
  try {
    return job.kind === 'grpc' ? callGrpc() : callHttp();
  } catch (error) {
    return [0, false, String(error)];
  }
}

export default function () {
  const [milliseconds, good, why] = call();
  if (good) took.add(milliseconds);
  else {
    failed.add(1);
    console.error(why);
  }
}

export function handleSummary(data) {
  const { took: times, failed: errors } = data.metrics;
  return {
    stdout: JSON.stringify({
      calls: times ? times.values.count : 0,
      p50_ms: times ? times.values.med : 0,
      p99_ms: times ? times.values['p(99)'] : 0,
      errors: errors ? errors.values.count : 0,
      seconds: data.state.testRunDurationMs / 1000,
    }),
  };
}
