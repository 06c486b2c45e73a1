// A sandbox of its own for each suite: the program that CAUSEWAY_SANDBOX names, on free ports.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// start runs a sandbox and returns what a client needs: addresses, names and secrets.
// NODE_EXTRA_CA_CERTS is read when Node starts, so the certificate authority is in the
// folder that the script `run` made (CAUSEWAY_CA_DIR), and every sandbox uses it.
export async function start() {
  const data = mkdtempSync(join(tmpdir(), 'causeway-clients-'));
  for (const name of ['ca.pem', 'ca-key.pem']) cpSync(join(process.env.CAUSEWAY_CA_DIR, name), join(data, name));
  const free = ['dynamics', 'campaign', 'admin'].flatMap((name) => [`--${name}-port`, '0']);
  const child = spawn(process.env.CAUSEWAY_SANDBOX, ['--data', data, '--no-sftp', '--contacts', '25', '--save-every', '0', ...free]);
  const text = await new Promise((resolve, reject) => {
    let out = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
      if (out.includes('Ctrl-C')) resolve(out);
    });
    child.stderr.on('data', (chunk) => process.stderr.write(chunk));
    child.on('exit', (code) => reject(new Error(`the sandbox ended with ${code}`)));
  });
  const setting = (name) => new RegExp(`^  ${name}: (?:file:)?(\\S+)`, 'm').exec(text)[1];
  const certificate = /client_certificate: file:(\S+)/.exec(text)[1];
  return {
    url: setting('url'),
    authority: `${setting('authority')}/${setting('tenant')}`,
    clientId: setting('client_id'),
    secret: readFileSync(setting('client_secret'), 'utf8').trim(),
    certificate: readFileSync(certificate, 'utf8'),
    admin: /Admin port: (\S+)/.exec(text)[1],
    stop: () =>
      new Promise((resolve) => {
        child.removeAllListeners('exit');
        child.on('exit', () => {
          rmSync(data, { recursive: true, force: true });
          resolve();
        });
        child.kill('SIGINT');
      }),
  };
}
