/** The switch of the machines: starts it, tells it which cables are cut. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { start } from '../../harness/process.ts';
import { HOST_NAMES, macOf } from './hosts.ts';

export interface Cables {
  /** One command of switch.py. @throws Error when the switch does not take it */
  tell(command: string): Promise<void>;
  close(): Promise<void>;
}

export async function layCables(folder: string): Promise<Cables> {
  const control = join(folder, 'switch');
  const hosts = HOST_NAMES.map((host) => `${host}=${macOf(host)}`);
  const program = join(import.meta.dirname, 'switch.py');
  const running = start(['/usr/bin/python3', '-I', program, folder, control, ...hosts], {
    withParent: 'KILL',
  });
  await running.waitFor(/switch: ready/, 20_000);
  const socket: Socket = connect(control);
  await once(socket, 'connect');
  const waiting: ((answer: string) => void)[] = [];
  const lines = createInterface({ input: socket });
  lines.on('line', (line) => waiting.shift()?.(line));
  socket.on('error', () => undefined);
  void running.exited.then(() => {
    for (const told of waiting.splice(0)) told(`no: the switch ended:\n${running.output()}`);
  });
  return {
    tell: async (command) => {
      if (!running.running()) throw new Error(`the switch ended:\n${running.output()}`);
      const answer = new Promise<string>((resolve) => waiting.push(resolve));
      socket.write(`${command}\n`);
      const said = await answer;
      if (said !== 'ok') throw new Error(said);
    },
    close: async () => {
      socket.destroy();
      await running.stop(1000);
    },
  };
}
