import { readFileSync } from 'node:fs';
import { systemClock } from '../../base/clock.ts';
import { defaults } from '../../config/options.ts';
import { exitCode } from '../../config/exit.ts';
import { AdminError } from '../../directory/admin/admin.ts';
import { silentLogger } from '../../log/types.ts';
import type { Directory } from '../../directory/types.ts';
import { openDirectory } from '../../roles/directory.ts';
import { checkDirectoryPart, listenersOf, valuesOf } from '../../roles/plan.ts';
import { diagnose, type Diagnosis } from '../../volumes/doctor/checks.ts';
import { examine, type ExamineOptions } from '../../volumes/doctor/examine.ts';
import { judgeFarm } from '../../volumes/doctor/judge-directory.ts';
import type { Complaint, FarmFacts, VolumeFacts } from '../../volumes/doctor/types.ts';
import { hostFacts } from '../../volumes/host-facts.ts';
import { VOLUME_OPTIONS } from '../../volumes/options.ts';
import type { VolumeEntry } from '../../volumes/types.ts';
import { withAdmin } from '../administration.ts';
import { flagCount, flagOn, flagText, UsageError, type Call, type Command } from '../command.ts';
import { printComplaint, printDiagnosis, summary } from '../diagnosis.ts';
import { all, equals, present } from '../filter.ts';
import { loadFile } from '../place.ts';

type Target = ExamineOptions['volumes'][number];
type Asked = Pick<FarmFacts, 'table' | 'strays' | 'nodes' | 'reserve'>;

async function run(call: Call): Promise<number> {
  const path = flagText(call, 'path');
  if (path === undefined && flagText(call, 'identity') !== undefined) {
    throw new UsageError('--identity needs --path, the directory to examine');
  }
  const asked = path === undefined ? await askFarm(call) : alone(call, path);
  const waitMs = (flagCount(call, 'wait') ?? 0) * 1000;
  const clock = call.clock ?? systemClock;
  const now = clock.now();
  // All of them: a volume may be mounted in place of another.
  const volumes = await examine({ volumes: asked.targets, waitMs });
  const users = userNames();
  const farm: FarmFacts = {
    ...asked.farm,
    volumes,
    now,
    host: await hostFacts(),
    uid: process.geteuid?.() ?? 0,
    userName: (uid) => users.get(uid) ?? `#${uid}`,
  };
  const wanted = volumes.filter(({ name }) => call.args.length === 0 || call.args.includes(name));
  const diagnoses = wanted.map((volume) => ({ volume, diagnosis: diagnose(volume, farm) }));
  const ofFarm = call.args.length === 0 ? [...judgeFarm(farm), ...asked.complaints] : [];
  return report(call, diagnoses, ofFarm);
}

interface Targets {
  readonly targets: readonly Target[];
  readonly farm: Asked;
  readonly complaints: readonly Complaint[];
}

/** A directory that no directory server is asked about. */
function alone(call: Call, path: string): Targets {
  if (call.args.length > 0) throw new UsageError('name volumes, or give --path; not both');
  if (!path.startsWith('/')) throw new UsageError(`--path: ${path} does not begin with /`);
  const identity = flagText(call, 'identity');
  const plain = path.length > 1 ? path.replace(/\/+$/, '') : path;
  const options = defaults(VOLUME_OPTIONS);
  const reserve = {
    bytes: options['volume.reserve.bytes'],
    inodes: options['volume.reserve.inodes'],
  };
  return {
    targets: [{ name: plain.split('/').at(-1) ?? plain, path: plain, state: 'active', identity }],
    farm: { table: undefined, strays: new Map(), nodes: [], reserve },
    complaints: [],
  };
}

/** What the directory says of the farm. @throws DirectoryUnavailable */
async function askFarm(call: Call): Promise<Targets> {
  const file = await loadFile(call);
  const clock = call.clock ?? systemClock;
  const directory = openDirectory({ file, logger: silentLogger, clock });
  try {
    const [volumes, settings] = [await directory.volumes(), await directory.settings()];
    const strange = await strangeTo(file.name, directory, settings);
    const unknown = call.args.filter((name) => !volumes.some((volume) => volume.name === name));
    if (unknown.length > 0) {
      const names = volumes.map(({ name }) => name).join(', ');
      throw new UsageError(`there is no volume ${unknown.join(', ')}; there are ${names}`);
    }
    const values = valuesOf({ settings: [...settings] });
    const reserve = {
      bytes: values['volume.reserve.bytes'],
      inodes: values['volume.reserve.inodes'],
    };
    const table = volumes.map(({ name }) => name);
    const { nodes, strays, complaints } = await askAdmin(call, volumes);
    const farm = { table, strays, nodes, reserve };
    return { targets: volumes, farm, complaints: [...complaints, ...strange] };
  } finally {
    await directory.close();
  }
}

/** What the directory says and this release does not know (MF-NODE-009). */
async function strangeTo(
  node: string,
  directory: Directory,
  settings: ReadonlyMap<string, string>,
): Promise<readonly Complaint[]> {
  const listen = listenersOf(await directory.node(node), settings);
  const { unknown } = checkDirectoryPart({ node, listen, settings });
  return unknown.map(({ name, message }) => ({
    severity: 'warning',
    wrong: `${message} (MF-NODE-009)`,
    mail: 'Nodes of this release do nothing of it. Mail flows.',
    mend: settings.has(name)
      ? ['nothing, while nodes of a newer release know it; else', `mailfarm config set ${name}`]
      : ['nothing, while it waits for a newer release; else', 'mailfarm node set NAME --listen …'],
  }));
}

const STRAYS_MAX = 1000;

/** Nodes, and users on volumes that are not there; without them the rest goes on. */
async function askAdmin(
  call: Call,
  volumes: readonly VolumeEntry[],
): Promise<Pick<Asked, 'nodes' | 'strays'> & { readonly complaints: readonly Complaint[] }> {
  const strays = new Map<string, number>();
  try {
    return await withAdmin(call, async (admin) => {
      const nodes = await admin.nodes.list();
      const none = volumes.map(({ name }) => `(!${equals('mwVolume', name)})`);
      const filter = all([present('mwVolume'), ...none]) ?? present('mwVolume');
      for (const { volume } of (await admin.users.find({ filter, limit: STRAYS_MAX })).items) {
        if (volume !== undefined) strays.set(volume, (strays.get(volume) ?? 0) + 1);
      }
      return { nodes, strays, complaints: [] };
    });
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    const complaint: Complaint = {
      severity: 'warning',
      wrong: `The directory was not asked about nodes and users: ${error.message}`,
      mail: 'Whether all nodes see all volumes is not known.',
      mend: ['mailfarm doctor --as LOGIN   (an administrator)'],
    };
    return { nodes: [], strays, complaints: [complaint] };
  }
}

/** Names of this host's users by number. */
function userNames(): ReadonlyMap<number, string> {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n').toReversed();
    return new Map(
      lines.flatMap((line) => {
        const [name = '', , uid = ''] = line.split(':');
        return /^\d+$/.test(uid) ? [[Number(uid), name] as const] : [];
      }),
    );
  } catch {
    return new Map();
  }
}

function report(
  call: Call,
  diagnoses: readonly { readonly volume: VolumeFacts; readonly diagnosis: Diagnosis }[],
  ofFarm: readonly Complaint[],
): number {
  const complaints = [...ofFarm, ...diagnoses.flatMap(({ diagnosis }) => diagnosis.complaints)];
  if (call.json) {
    const volumes = diagnoses.map(({ volume, diagnosis }) => ({
      name: volume.name,
      path: volume.path,
      ...diagnosis,
      durations: volume.trial?.durations,
    }));
    call.out.json({ volumes, farm: ofFarm });
  } else {
    const told = new Set<string>();
    for (const { volume, diagnosis } of diagnoses) {
      printDiagnosis(call.out, volume, diagnosis, { verbose: flagOn(call, 'verbose'), told });
      call.out.line('');
    }
    if (ofFarm.length > 0) {
      call.out.styled([{ text: 'farm', style: 'bold' }]);
      for (const complaint of ofFarm) printComplaint(call.out, complaint, told);
      call.out.line('');
    }
    call.out.line(summary(diagnoses.length, complaints));
  }
  if (complaints.some(({ severity }) => severity === 'error')) return exitCode('errors');
  return exitCode(complaints.length > 0 ? 'warnings' : 'ok');
}

export const doctor: Command = {
  usage: '[VOLUME…] [--path DIR [--identity ID]] [--wait SECONDS] [--verbose]',
  summary: 'Examines the volumes as seen from this host: what is wrong, and what mends it',
  examples: [
    'mailfarm doctor',
    'mailfarm doctor mail1 --verbose',
    'mailfarm doctor --wait 90',
    'mailfarm doctor --path /mail3',
  ],
  options: {
    path: { type: 'string', value: 'DIR', doc: 'Examines this directory; no directory is asked' },
    identity: { type: 'string', value: 'ID', doc: 'What its sentinel has to say' },
    wait: { type: 'string', value: 'SECONDS', doc: 'Asks all nodes whether they see our file' },
    verbose: { type: 'boolean', doc: 'Tells also what is well, line by line' },
  },
  args: [0, 100],
  run,
};
