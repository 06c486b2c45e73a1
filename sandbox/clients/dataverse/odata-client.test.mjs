// @odata/client, as its README and docs/API.EntitySet.md show it.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import odata from '@odata/client';
import { ConfidentialClientApplication } from '@azure/msal-node';
import { start } from './world.mjs';

const { EdmV4: Edm, OData } = odata;

let world, client;
before(async () => {
  world = await start();
  const app = new ConfidentialClientApplication({
    auth: { clientId: world.clientId, clientSecret: world.secret, authority: world.authority, knownAuthorities: [new URL(world.url).host] },
  });
  const { accessToken } = await app.acquireTokenByClientCredential({ scopes: [`${world.url}/.default`] });
  client = OData.New4({
    serviceEndpoint: `${world.url}/api/data/v9.2/`,
    commonHeaders: { Authorization: `Bearer ${accessToken}`, Prefer: 'return=representation' },
  });
});
after(() => world.stop());

test('an entity set: create, retrieve, query, update, delete', async () => {
  const contacts = client.getEntitySet('contacts');
  const made = await contacts.create({ lastname: 'A', firstname: 'B' });
  assert.equal(made.lastname, 'A');
  const id = Edm.Guid.from(made.contactid);
  assert.equal((await contacts.retrieve(id)).firstname, 'B');
  await contacts.update(id, { firstname: 'C' });
  const found = await contacts.query(OData.newFilter().property('firstname').eq('C'));
  assert.equal(found[0].contactid, made.contactid);
  await contacts.delete(id);
});

test('options: select, order, top, count, expand', async () => {
  const options = OData.newOptions().select(['lastname']).orderby('lastname').top(5);
  const rows = await client.getEntitySet('contacts').query(options);
  assert.equal(rows.length, 5);
});

test('a batch is refused: its last line has no end (see README.md)', async () => {
  const request = await client.newBatchRequest({ collection: 'contacts', params: OData.newOptions().top(1) });
  await assert.rejects(client.execBatchRequests([request]));
});
