// @azure/msal-node, as "Acquiring a token with client credentials" shows it.
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { ConfidentialClientApplication, PublicClientApplication } from '@azure/msal-node';
import { start } from './world.mjs';

let world;
before(async () => (world = await start()));
after(() => world.stop());

const auth = (more) => ({ auth: { clientId: world.clientId, authority: world.authority, knownAuthorities: [new URL(world.url).host], ...more } });
const scopes = () => ({ scopes: [`${world.url}/.default`] });

test('a client secret gets a token that Dataverse takes', async () => {
  const app = new ConfidentialClientApplication(auth({ clientSecret: world.secret }));
  const result = await app.acquireTokenByClientCredential(scopes());
  assert.equal(result.tokenType, 'Bearer');
  const answer = await fetch(`${world.url}/api/data/v9.2/WhoAmI()`, { headers: { Authorization: `Bearer ${result.accessToken}` } });
  assert.equal(answer.status, 200);
  const again = await app.acquireTokenByClientCredential(scopes());
  assert.equal(again.accessToken, result.accessToken);
  assert.ok(again.fromCache);
});

test('the token is a JWT with the claims of a service', async () => {
  const app = new ConfidentialClientApplication(auth({ clientSecret: world.secret }));
  const { accessToken } = await app.acquireTokenByClientCredential(scopes());
  const [header, claims] = accessToken.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));
  assert.equal(header.alg, 'RS256');
  assert.equal(claims.appid, world.clientId);
  assert.equal(claims.aud, world.url);
  const keys = await (await fetch(`${world.authority}/discovery/v2.0/keys`)).json();
  assert.ok(keys.keys.some((key) => key.kid === header.kid));
});

for (const [name, thumbprint, algorithm] of [['SHA-256', 'thumbprintSha256', 'sha256'], ['SHA-1', 'thumbprint', 'sha1']]) {
  test(`a certificate named by its ${name} thumbprint gets a token`, async () => {
    const pem = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/.exec(world.certificate)[0];
    const der = Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
    const privateKey = /-----BEGIN PRIVATE KEY-----[\s\S]+?-----END PRIVATE KEY-----/.exec(world.certificate)[0];
    const app = new ConfidentialClientApplication(auth({ clientCertificate: { [thumbprint]: createHash(algorithm).update(der).digest('hex'), privateKey } }));
    const result = await app.acquireTokenByClientCredential(scopes());
    assert.ok(result.accessToken);
  });
}

test('a wrong secret is refused in the words of Entra ID', async () => {
  const app = new ConfidentialClientApplication(auth({ clientSecret: 'wrong' }));
  await assert.rejects(app.acquireTokenByClientCredential(scopes()), (error) => error.errorCode === 'invalid_client' && /7000215/.test(error.message));
});

test('a person signs in with a device code', async () => {
  const app = new PublicClientApplication({ auth: { clientId: '5a4db0c5-0000-4000-8000-0000000000cc', authority: world.authority, knownAuthorities: [new URL(world.url).host] } });
  const request = { scopes: ['openid', 'profile'], timeout: 1, deviceCodeCallback: (code) => assert.match(code.userCode, /^\w+$/) };
  await assert.rejects(app.acquireTokenByDeviceCode(request), /timeout|timed out|expired/i);
});
