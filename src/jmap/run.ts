import type { JmapContext, MethodRow, Response } from './types.ts';
import { MethodError, type Args } from './types.ts';
import { callsTotal } from './metrics.ts';
import { methodErrorOf } from './trouble.ts';
import { resolveReferences, type ReferenceBudget } from './wire/references.ts';
import { RequestError, type Invocation, type JmapRequest } from './wire/request.ts';

/** What calls are looked up in, and what a client may say that it uses. */
export interface Offered {
  readonly methods: ReadonlyMap<string, MethodRow>;
  readonly capabilities: readonly string[];
}

/**
 * Runs the calls of a request one after the other (RFC 8620 §3.10); one that fails has an error for
 * its response, and the next runs.
 *
 * @throws RequestError unknownCapability
 */
export async function runRequest(
  { using, calls }: JmapRequest,
  context: JmapContext,
  { methods, capabilities }: Offered,
): Promise<readonly Invocation[]> {
  const unknown = using.find((one) => !capabilities.includes(one));
  if (unknown !== undefined) {
    throw new RequestError('unknownCapability', `There is no ${JSON.stringify(unknown)} here`);
  }
  const responses: Invocation[] = [];
  const budget = { left: context.limits.maxSizeRequest };
  for (const call of calls) {
    const results = await runCall(call, { using, responses, budget, context, methods });
    for (const { name, args } of results) responses.push({ name, args, callId: call.callId });
  }
  return responses;
}

interface Running {
  readonly using: readonly string[];
  readonly responses: readonly Invocation[];
  readonly budget: ReferenceBudget;
  readonly context: JmapContext;
  readonly methods: ReadonlyMap<string, MethodRow>;
}

async function runCall(call: Invocation, running: Running): Promise<readonly Response[]> {
  const { context, methods, using, responses, budget } = running;
  try {
    const row = methods.get(call.name);
    if (row === undefined || !using.includes(row.capability)) {
      const name = JSON.stringify(call.name.slice(0, NAME_SHOWN));
      throw new MethodError('unknownMethod', `${name} is no method of what the request uses`);
    }
    const args = resolveReferences(call.args, responses, budget);
    checkAccount(call.name, args, context);
    const result = await row.run(args, context);
    callsTotal.inc('ok');
    return isResponses(result) ? result : [{ name: call.name, args: result }];
  } catch (error) {
    return [{ name: 'error', args: errorArgs(error, call, context) }];
  }
}

const NAME_SHOWN = 100;

const isResponses = (result: Args | readonly Response[]): result is readonly Response[] =>
  Array.isArray(result);

/** Every method but those of the core has an account, and there is one. */
function checkAccount(name: string, args: Args, { account }: JmapContext): void {
  const { accountId } = args;
  if (accountId === undefined) {
    if (WITHOUT_ACCOUNT.test(name)) return;
    throw new MethodError('invalidArguments', 'accountId is missing');
  }
  if (WITHOUT_ACCOUNT.test(name)) return;
  if (typeof accountId !== 'string') {
    throw new MethodError('invalidArguments', 'accountId is a string');
  }
  if (accountId !== account.id)
    throw new MethodError('accountNotFound', 'It is no account of yours');
}

const WITHOUT_ACCOUNT = /^Core\//;

function errorArgs(error: unknown, call: Invocation, { logger, trace }: JmapContext): Args {
  const known = methodErrorOf(error);
  if (known !== undefined) {
    callsTotal.inc(known.type);
    if (known !== error) logger.warn({ trace, method: call.name, error }, 'a JMAP call failed');
    return { type: known.type, description: known.message, ...known.extra };
  }
  callsTotal.inc('serverFail');
  const code = 'MF-JMAP-001';
  logger.error({ trace, method: call.name, error, code }, 'a JMAP call failed: MF-JMAP-001');
  return { type: 'serverFail', description: `It is a fault of the server; its log has ${trace}` };
}
