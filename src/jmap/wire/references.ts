/**
 * Arguments that are taken from the response of an earlier call (RFC 8620 §3.7): `#name` with a
 * JSON Pointer (RFC 6901) in which `*` stands for all items of a list.
 *
 * What references give counts as if the client had sent it: a call that repeats the response of the
 * one before it twice, sixty calls in a row, is a few kilobytes that would be written out as 2^60.
 */
import { MethodError, type Args } from '../types.ts';
import type { Invocation } from './request.ts';
import { isRecord, jsonSize } from './values.ts';

/** Values that one pointer may give; each `*` multiplies. */
const VALUES_MAX = 100_000;

/** What the references of a request may give yet: about octets of JSON. */
export interface ReferenceBudget {
  left: number;
}

/** @throws MethodError invalidArguments, invalidResultReference, requestTooLarge */
export function resolveReferences(
  args: Args,
  responses: readonly Invocation[],
  budget: ReferenceBudget,
): Args {
  if (!Object.keys(args).some((name) => name.startsWith('#'))) return args;
  const resolved: [string, unknown][] = [];
  for (const [name, value] of Object.entries(args)) {
    if (!name.startsWith('#')) {
      resolved.push([name, value]);
    } else if (Object.hasOwn(args, name.slice(1))) {
      throw new MethodError('invalidArguments', `${name.slice(1)} is given twice`);
    } else {
      const found = resolve(value, responses);
      spend(found, budget);
      resolved.push([name.slice(1), found]);
    }
  }
  return Object.fromEntries(resolved);
}

function resolve(reference: unknown, responses: readonly Invocation[]): unknown {
  if (!isRecord(reference)) throw bad('A reference is an object');
  const { resultOf, name, path } = reference;
  if (typeof path !== 'string') throw bad('path is a JSON Pointer');
  const response = responses.find(({ callId }) => callId === resultOf);
  if (response === undefined) throw bad('There is no response of that call');
  if (response.name !== name) throw bad(`That response is ${response.name}`);
  if (path !== '' && !path.startsWith('/')) throw bad('path is a JSON Pointer');
  const steps = path.split('/').slice(1);
  return follow(response.args, steps.map(unescaped));
}

/** RFC 6901 §4. */
const unescaped = (step: string): string => step.replaceAll('~1', '/').replaceAll('~0', '~');

function follow(value: unknown, steps: readonly string[]): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (Array.isArray(value)) {
    if (step === '*') {
      const all = value.flatMap((item: unknown) => follow(item, rest));
      if (all.length > VALUES_MAX) throw bad('path gives too many values');
      return all;
    }
    if (!/^(0|[1-9]\d*)$/.test(step)) throw bad(`There is no ${step} in a list`);
    if (Number(step) >= value.length) throw bad(`The list has no item ${step}`);
    return follow(value[Number(step)], rest);
  }
  if (isRecord(value) && Object.hasOwn(value, step)) return follow(value[step], rest);
  throw bad(`path leads nowhere at ${step}`);
}

/** Looks at no more of a value than may be spent. @throws MethodError requestTooLarge */
function spend(value: unknown, budget: ReferenceBudget): void {
  budget.left -= jsonSize(value, budget.left);
  if (budget.left >= 0) return;
  throw new MethodError('requestTooLarge', 'Results that are referred to are too large');
}

const bad = (text: string): MethodError => new MethodError('invalidResultReference', text);
