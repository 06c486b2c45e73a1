// dataverse-webapi, as its README and samples/samples.ts show it. In Node it ignores the
// port of its address, so the default port of https is set to that of the sandbox.
import https from 'node:https';
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import api from 'dataverse-webapi/lib/node';
import { ConfidentialClientApplication } from '@azure/msal-node';
import { start } from './world.mjs';

let world, config;
before(async () => {
  world = await start();
  const app = new ConfidentialClientApplication({
    auth: { clientId: world.clientId, clientSecret: world.secret, authority: world.authority, knownAuthorities: [new URL(world.url).host] },
  });
  const { accessToken } = await app.acquireTokenByClientCredential({ scopes: [`${world.url}/.default`] });
  https.globalAgent.defaultPort = Number(new URL(world.url).port);
  config = new api.WebApiConfig('9.1', accessToken, world.url);
});
after(() => world.stop());

test('create, retrieve, update, delete', async () => {
  const id = await api.create(config, 'contacts', { lastname: 'A' });
  await api.update(config, 'contacts', id, { firstname: 'B' });
  await api.updateProperty(config, 'contacts', id, 'jobtitle', 'Captain');
  const row = await api.retrieve(config, 'contacts', id, '$select=firstname,jobtitle');
  assert.deepEqual([row.firstname, row.jobtitle], ['B', 'Captain']);
  await api.deleteProperty(config, 'contacts', id, 'jobtitle');
  const made = await api.createWithReturnData(config, 'contacts', { lastname: 'C' }, '$select=lastname');
  assert.equal(made.lastname, 'C');
  const changed = await api.updateWithReturnData(config, 'contacts', made.contactid, { lastname: 'D' }, '$select=lastname');
  assert.equal(changed.lastname, 'D');
  await api.deleteRecord(config, 'contacts', id);
  await assert.rejects(api.retrieve(config, 'contacts', id), (error) => error.code === '0x80040217');
});

test('queries and FetchXML', async () => {
  const page = await api.retrieveMultiple(config, 'contacts', '$select=lastname', { maxPageSize: 10 });
  assert.equal(page.value.length, 10);
  const fetchXml = '<fetch top="3"><entity name="contact"><attribute name="lastname"/></entity></fetch>';
  const fetched = await api.retrieveMultiple(config, 'contacts', `fetchXml=${encodeURIComponent(fetchXml)}`);
  assert.equal(fetched.value.length, 3);
});

test('lookups are cleared and followed', async () => {
  const account = await api.create(config, 'accounts', { name: 'Acme' });
  const id = await api.create(config, 'contacts', { 'parentcustomerid_account@odata.bind': `/accounts(${account})` });
  const row = await api.retrieve(config, 'contacts', id, '$select=lastname&$expand=parentcustomerid_account($select=name)');
  assert.equal(row.parentcustomerid_account.name, 'Acme');
  await api.disassociate(config, 'contacts', id, 'parentcustomerid_account');
  assert.equal((await api.retrieve(config, 'contacts', id))._parentcustomerid_value, null);
});

test('functions with aliases, actions, impersonation', async () => {
  const who = await api.unboundFunction(config, 'WhoAmI');
  assert.ok(who.UserId);
  const counts = await api.unboundFunction(config, 'RetrieveTotalRecordCount', [{ name: 'EntityNames', alias: 'p1', value: "['contact']" }]);
  assert.equal(counts.EntityRecordCountCollection.Keys[0], 'contact');
  await assert.rejects(api.unboundAction(config, 'PublishAllXml'), (error) => /not imitated/.test(error.message));
  const made = await api.createWithReturnData(config, 'contacts', {}, '$select=_createdby_value', { impersonateUserId: '0a11ce00-0000-4000-8000-0000000000c2' });
  assert.equal(made._createdby_value, '0a11ce00-0000-4000-8000-000000000002');
});
