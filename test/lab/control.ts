/**
 * Runs inside the laboratory as root: does what tests, who are the service user, may not: stop the
 * server, change exports, start a host's processes. One JSON request a connection, one answer.
 */
import { spawn } from 'node:child_process';
import { chmodSync, openSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { type ControlAnswer, type ControlRequest, CONTROL_SOCKET } from './protocol.ts';

async function perform(request: ControlRequest): Promise<ControlAnswer> {
  const [command = '', ...args] = request.argv;
  if (request.log !== undefined) {
    const log = openSync(request.log, 'a');
    const child = spawn(command, args, { detached: true, stdio: ['ignore', log, log] });
    child.on('error', () => undefined);
    return { code: 0, output: '', pid: child.pid };
  }
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number>((resolve) => {
    child.once('error', () => resolve(127));
    child.once('close', (code) => resolve(code ?? 128));
  });
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, output: out + err, pid: undefined };
}

async function serve(socket: Socket): Promise<void> {
  const answer = await perform(JSON.parse(await text(socket)) as ControlRequest);
  socket.end(JSON.stringify(answer));
}

const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => undefined);
  serve(socket).catch((error: unknown) => {
    socket.end(JSON.stringify({ code: 127, output: String(error), pid: undefined }));
  });
});
server.listen(CONTROL_SOCKET, () => chmodSync(CONTROL_SOCKET, 0o666));
