/**
 * Rules and dashboards of ansible/roles/monitoring name metrics that exist, with their labels;
 * every alert says what to type, fires where it should and rests where it should.
 */
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { needs } from '../../test/harness/needs.ts';
import { run } from '../../test/harness/process.ts';
import { registry } from '../metrics/metrics.ts';
import { watchProcess } from '../metrics/process.ts';
import { nodeMetrics } from '../roles/metrics.ts';
import { findCommand } from './commands.ts';
import { ALERT_CASES, type AlertCase } from './testing/alert-cases.ts';

const ROOT = join(import.meta.dirname, '../..');
const FILES = join(ROOT, 'ansible/roles/monitoring/files');
const RULES = join(FILES, 'rules/mailfarm.yml');
const PROMTOOL = '/usr/bin/promtool';

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: { readonly severity?: string };
  readonly annotations?: { readonly summary?: string; readonly runbook?: string };
}
const rules = (
  parse(readFileSync(RULES, 'utf8')) as { groups: { rules: readonly Rule[] }[] }
).groups.flatMap((group) => group.rules);
const alerts = rules.filter((rule) => rule.alert !== undefined);

interface Panel {
  readonly title: string;
  readonly description?: string;
  readonly targets?: readonly { readonly expr: string }[];
}
const dashboards = globSync(join(FILES, 'dashboards/*.json')).map((path) => ({
  name: basename(path),
  ...(JSON.parse(readFileSync(path, 'utf8')) as { uid: string; panels: readonly Panel[] }),
}));

/** Labels of a metric: their values where they are a closed set, else an empty one. */
type Labels = ReadonlyMap<string, ReadonlySet<string>>;
const known = new Map<string, Labels>();

/** What Prometheus itself and programs around us have. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  up: [],
  haproxy_backend_active_servers: ['proxy'],
};
/** Labels that a scrape adds. */
const SCRAPED = ['job', 'node', 'instance'];

beforeAll(async () => {
  watchProcess();
  nodeMetrics({ workers: () => 1, stuck: () => 0, deaths: () => 0, unknown: () => ['x'] });
  for (const path of globSync(join(ROOT, 'src/**/{metrics,web-metrics}.ts'))) await import(path);
  const names = new Map(
    registry
      .getMetricsAsArray()
      .map((metric) => [metric.name, (metric as unknown as { labelNames: string[] }).labelNames]),
  );
  for (const { name, type, values } of await registry.getMetricsAsJSON()) {
    const labels = new Map(
      (names.get(name) ?? []).map((label) => [
        label,
        new Set(values.flatMap(({ labels: own }) => String(own[label as never] ?? '') || [])),
      ]),
    );
    known.set(name, labels);
    if ((type as unknown as string) !== 'histogram') continue;
    const bucket = new Map([...labels, ['le', new Set<string>()]]);
    known.set(`${name}_bucket`, bucket).set(`${name}_count`, labels).set(`${name}_sum`, labels);
  }
  const script = readFileSync(join(ROOT, 'ansible/roles/backup/files/mailfarm-backup'), 'utf8');
  for (const [, name = ''] of script.matchAll(/# TYPE (mailfarm_backup_\w+) gauge/g)) {
    known.set(name, new Map([['volume', new Set()]]));
  }
  for (const [name, labels] of Object.entries(FOREIGN)) {
    known.set(name, new Map(labels.map((label) => [label, new Set()])));
  }
  for (const { record, expr } of rules) {
    if (record === undefined) continue;
    const by = /by \(([^)]*)\)/.exec(expr)?.[1]?.split(', ') ?? [];
    known.set(record, new Map(by.map((label) => [label, new Set()])));
  }
});

const SELECTOR =
  /(?<![\w:"$])((?:mailfarm|node:mailfarm|haproxy)_[\w:]+|up(?=[{ ]))(?:\{([^}]*)\})?/g;
const MATCHER = /(\w+)(?:=~|!~|!=|=)"([^"]*)"/g;

/** What an expression names and nobody has. */
function unknownIn(expr: string): string[] {
  const faults: string[] = [];
  const grouped = new Set(SCRAPED);
  for (const [, name = '', selectors = ''] of expr.matchAll(SELECTOR)) {
    const labels = known.get(name);
    if (labels === undefined) faults.push(name);
    for (const label of labels?.keys() ?? []) grouped.add(label);
    for (const [, label = '', text = ''] of selectors.matchAll(MATCHER)) {
      if (SCRAPED.includes(label)) continue;
      const values = labels?.get(label);
      if (values === undefined) faults.push(`${name}{${label}}`);
      else if (values.size > 0 && !text.includes('$')) {
        for (const value of text.split('|')) {
          if (!values.has(value)) faults.push(`${name}{${label}="${value}"}`);
        }
      }
    }
  }
  for (const [, list = ''] of expr.matchAll(/\b(?:by|on|without|ignoring) \(([^)]*)\)/g)) {
    for (const label of list.split(/, */)) if (!grouped.has(label)) faults.push(`by (${label})`);
  }
  return faults;
}

test('[P-11] [N-14] rules name metrics, labels and values that exist', () => {
  expect(alerts.length).toBeGreaterThan(30);
  expect(unknownIn('rate(mailfarm_mx_messages_total{result="x",y="z"}[5m])')).toHaveLength(2);
  expect(unknownIn('mailfarm_nothing > 0')).toEqual(['mailfarm_nothing']);
  const faults = rules.map(({ alert, record, expr }) => [alert ?? record, unknownIn(expr)]);
  expect(faults.filter(([, found]) => found?.length)).toEqual([]);
});

test('[P-11] [S3-30] dashboards name metrics, labels and values that exist', () => {
  expect(dashboards.length).toBeGreaterThan(1);
  expect(new Set(dashboards.map(({ uid }) => uid)).size).toBe(dashboards.length);
  const faults = dashboards.flatMap(({ name, panels }) =>
    panels.flatMap(({ title, targets = [] }) =>
      targets.flatMap(({ expr }) => unknownIn(expr).map((fault) => `${name}: ${title}: ${fault}`)),
    ),
  );
  expect(faults).toEqual([]);
  const all = dashboards.flatMap(({ panels }) => panels.flatMap(({ targets = [] }) => targets));
  const said = all.map(({ expr }) => expr).join('\n');
  for (const what of ['received', 'accepted', 'delivered', 'sent']) {
    expect(said).toContain(`node:mailfarm_${what}:increase1d`);
  }
});

test('[P-11] every alert says what it means and what to type; commands, codes and playbooks exist', async () => {
  const errors = readFileSync(join(ROOT, 'src/errors.md'), 'utf8');
  const playbooks = new Set(globSync(join(ROOT, 'ansible/*.yml')).map((path) => basename(path)));
  const faults: string[] = [];
  for (const { alert, labels, annotations } of alerts) {
    const { summary = '', runbook = '' } = annotations ?? {};
    if (!/^(none|warning|critical)$/.test(labels?.severity ?? ''))
      faults.push(`${alert}: severity`);
    if (summary === '' || runbook.length < 60) faults.push(`${alert}: no runbook`);
    for (const [code] of `${summary} ${runbook}`.matchAll(/MF-[A-Z]+-\d{3}/g)) {
      if (!errors.includes(`### ${code}\n`)) faults.push(`${alert}: ${code}`);
    }
    for (const [playbook] of runbook.matchAll(/[a-z-]+\.yml\b/g)) {
      if (!playbooks.has(playbook)) faults.push(`${alert}: ${playbook}`);
    }
    for (const [, words = ''] of runbook.matchAll(
      /(?<!-u |status |restart |cat )\bmailfarm ([a-z]+(?: [a-z]+)*)/g,
    )) {
      if ((await findCommand(words.split(' '))) === undefined) faults.push(`${alert}: ${words}`);
    }
  }
  expect(faults).toEqual([]);
});

test('[N-14] promtool can read every expression of the dashboards; no alert goes by our own mail', async (ctx) => {
  needs(ctx, PROMTOOL);
  const exprs = dashboards.flatMap(({ panels }) => panels.flatMap(({ targets = [] }) => targets));
  const asRules = exprs.map(({ expr }, index) => ({
    record: `panel:${index}`,
    expr: expr.replaceAll('$__rate_interval', '5m'),
  }));
  const path = scratch('dashboards.yml', { groups: [{ name: 'panels', rules: asRules }] });
  const checked = await run([PROMTOOL, 'check', 'rules', path]);
  expect(`${checked.stdout.toString()}${checked.stderr}`).toContain('SUCCESS');
  const example = readFileSync(join(FILES, 'alertmanager.yml'), 'utf8');
  expect(Object.keys(parse(example) as object)).toContain('receivers');
  for (const [, named = ''] of example.matchAll(/"?Mailfarm([\w(|)]*)/g)) {
    for (const one of named.replace(/^Volume\(|^Directory\(/, '').split(/[()|]/)) {
      const found = alerts.some(({ alert = '' }) => alert.endsWith(one.replace(/^Mailfarm/, '')));
      expect(found, one).toBe(true);
    }
  }
  expect(example).not.toMatch(/smarthost: .*(?:localhost|127\.|example\.test)/);
}, 300_000);

/** A file of this test. @returns its path */
function scratch(name: string, content: object): string {
  const directory = mkdtempSync(join(tmpdir(), 'mailfarm-rules-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, name);
  writeFileSync(path, stringify(content));
  return path;
}

const seriesOf = (series: AlertCase['fires']): object[] =>
  Object.entries(series).map(([name, values]) => ({ series: name, values }));

test('[N-14] promtool: rules are rules; each alert fires where it should, and rests elsewhere', async (ctx) => {
  needs(ctx, PROMTOOL);
  expect(Object.keys(ALERT_CASES).toSorted()).toEqual(
    alerts.map(({ alert = '' }) => alert).toSorted(),
  );
  const checked = await run([PROMTOOL, 'check', 'rules', RULES]);
  expect(checked).toMatchObject({ code: 0 });
  const firing = (alert: string, minutes: number, value: number): object => ({
    expr: `count(ALERTS{alertname="${alert}",alertstate="firing"}) > bool 0 or vector(0)`,
    eval_time: `${minutes}m`,
    exp_samples: [{ labels: '{}', value }],
  });
  const tests: { input_series: object[]; promql_expr_test: object[]; names: Set<string> }[] = [];
  const add = (series: AlertCase['fires'], asked: object): void => {
    const names = Object.keys(series).map((each) => each.replace(/\{.*/, ''));
    // Each test costs promtool a data base: cases of different metrics share one.
    let shared = tests.find((each) => names.every((name) => !each.names.has(name)));
    shared ??= { input_series: [], promql_expr_test: [], names: new Set() };
    if (shared.names.size === 0) tests.push(shared);
    for (const name of names) shared.names.add(name);
    shared.input_series.push(...seriesOf(series));
    shared.promql_expr_test.push(asked);
  };
  for (const [alert, its] of Object.entries(ALERT_CASES)) {
    if (its === 'always') add({ always: '0x60' }, firing(alert, 5, 1));
    else {
      add(its.fires, firing(alert, its.minutes ?? 30, 1));
      add(its.rests, firing(alert, its.minutes ?? 30, 0));
    }
  }
  const cases = tests.map(({ names: _, ...each }) => ({ interval: '1m', ...each }));
  const given = { rule_files: [RULES], evaluation_interval: '1m', tests: cases };
  const path = scratch('test.yml', given);
  const tested = await run([PROMTOOL, 'test', 'rules', path]);
  expect(`${tested.stdout.toString()}${tested.stderr}`).toContain('SUCCESS');
  expect(tested.code).toBe(0);
}, 300_000);
