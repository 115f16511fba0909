import { WebProblem } from '../http/web-types.ts';

/** A body of JSON as the object it has to be. @throws WebProblem 400 */
export function objectOf(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
    return body as Readonly<Record<string, unknown>>;
  }
  throw wrong('The body is a JSON object');
}

/** A text that has to be there. @throws WebProblem 400 */
export function textOf(body: unknown, name: string, lengthMax = 1_024): string {
  const value = objectOf(body)[name];
  if (typeof value === 'string' && value !== '' && value.length <= lengthMax) return value;
  throw wrong(`"${name}" is a text of 1 to ${lengthMax} characters`);
}

/** A text that may be missing. @throws WebProblem 400 */
export const optionalText = (body: unknown, name: string, lengthMax?: number): string | undefined =>
  (objectOf(body)[name] ?? null) === null ? undefined : textOf(body, name, lengthMax);

/** @throws WebProblem 400 */
export function textsOf(body: unknown, name: string, countMax: number): readonly string[] {
  const value = objectOf(body)[name];
  const fits = Array.isArray(value) && value.length <= countMax;
  if (fits && value.every((one) => typeof one === 'string')) return value;
  throw wrong(`"${name}" is a list of at most ${countMax} texts`);
}

const wrong = (detail: string): WebProblem =>
  new WebProblem({ status: 400, title: 'The request is not valid', detail });
