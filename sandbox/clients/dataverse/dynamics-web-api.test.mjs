// dynamics-web-api, as its README and the pages of its wiki show it.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { DynamicsWebApi } from 'dynamics-web-api';
import { ConfidentialClientApplication } from '@azure/msal-node';
import { start } from './world.mjs';

let world, api, account;
before(async () => {
  world = await start();
  const app = new ConfidentialClientApplication({
    auth: { clientId: world.clientId, clientSecret: world.secret, authority: world.authority, knownAuthorities: [new URL(world.url).host] },
  });
  api = new DynamicsWebApi({
    serverUrl: world.url,
    dataApi: { version: '9.2' },
    onTokenRefresh: () => app.acquireTokenByClientCredential({ scopes: [`${world.url}/.default`] }),
  });
  account = await api.create({ collection: 'accounts', data: { name: 'Acme' } });
});
after(() => world.stop());

const contact = (data) => api.create({ collection: 'contacts', data });
const read = (key, more) => api.retrieve({ collection: 'contacts', key, ...more });

test('create, retrieve, update, upsert, delete', async () => {
  const made = await api.create({ collection: 'contacts', data: { lastname: 'A' }, returnRepresentation: true });
  assert.equal(made.lastname, 'A');
  const key = made.contactid;
  await api.update({ collection: 'contacts', key, data: { firstname: 'B' } });
  await api.updateSingleProperty({ collection: 'contacts', key, fieldValuePair: { jobtitle: 'Captain' } });
  const row = await read(key, { select: ['firstname', 'jobtitle'], includeAnnotations: '*' });
  assert.deepEqual([row.firstname, row.jobtitle], ['B', 'Captain']);
  assert.equal(await api.update({ collection: 'contacts', key, data: {}, ifmatch: 'W/"1"' }), false, 'another version is not touched');
  assert.equal(await read(key, { ifnonematch: (await read(key))['@odata.etag'] }), undefined, 'it has not changed');
  await api.upsert({ collection: 'contacts', key, data: { lastname: 'C' } });
  await api.deleteRecord({ collection: 'contacts', key, navigationProperty: 'jobtitle' });
  await api.deleteRecord({ collection: 'contacts', key });
  await assert.rejects(read(key), (error) => error.status === 404 && error.code === '0x80040217');
});

test('queries, pages, counts', async () => {
  const page = await api.retrieveMultiple({ collection: 'contacts', select: ['lastname'], orderBy: ['lastname'], maxPageSize: 10, count: true });
  assert.equal(page.value.length, 10);
  const second = await api.retrieveMultiple({ collection: 'contacts', select: ['lastname'], maxPageSize: 10 }, page.oDataNextLink);
  assert.equal(second.value.length, 10);
  const all = await api.retrieveAll({ collection: 'contacts', select: ['lastname'] });
  assert.equal(await api.count({ collection: 'contacts' }), all.value.length);
  assert.equal(await api.count({ collection: 'contacts', filter: "lastname eq 'nobody at all'" }), 0);
  assert.equal(await api.countAll({ collection: 'contacts', select: ['contactid'] }), all.value.length);
});

test('changes behind a delta link', async () => {
  const first = await api.retrieveMultiple({ collection: 'contacts', select: ['lastname'], trackChanges: true });
  await contact({ lastname: 'New' });
  const next = await api.retrieveMultiple({ collection: 'contacts', select: ['lastname'] }, first.oDataDeltaLink);
  assert.deepEqual(next.value.map((row) => row.lastname), ['New']);
});

test('lookups: bind, expand, associate', async () => {
  const key = await contact({ lastname: 'L', 'parentcustomerid_account@odata.bind': `accounts(${account})` });
  const row = await read(key, {
    select: ['lastname', '_parentcustomerid_value'],
    expand: [{ property: 'parentcustomerid_account', select: ['name'] }, { property: 'Contact_Tasks', select: ['subject'], filter: "subject ne 'x'" }],
    includeAnnotations: '*',
  });
  assert.equal(row.parentcustomerid_account.name, 'Acme');
  assert.equal(row['_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname'], 'account');
  assert.deepEqual(row.Contact_Tasks, []);
  assert.equal((await read(key, { navigationProperty: 'parentcustomerid_account', select: ['name'] })).name, 'Acme');
  await api.disassociateSingleValued({ collection: 'contacts', primaryKey: key, navigationProperty: 'parentcustomerid_account' });
  assert.equal((await read(key))._parentcustomerid_value, null);
  await api.associate({ collection: 'accounts', primaryKey: account, relationshipName: 'contact_customer_accounts', relatedCollection: 'contacts', relatedKey: key });
  assert.equal((await read(key))._parentcustomerid_value, account);
  await api.disassociate({ collection: 'accounts', primaryKey: account, relationshipName: 'contact_customer_accounts', relatedKey: key });
  await api.associateSingleValued({ collection: 'contacts', primaryKey: key, navigationProperty: 'parentcustomerid_account', relatedCollection: 'accounts', relatedKey: account });
  assert.equal((await read(key))._parentcustomerid_value, account);
});

test('batches: a change set with references, queries, errors', async () => {
  api.startBatch();
  api.create({ collection: 'contacts', data: { lastname: 'One' }, contentId: '1' });
  api.create({ collection: 'tasks', data: { subject: 'Call', 'regardingobjectid_contact_task@odata.bind': '$1' } });
  const [one, task] = await api.executeBatch();
  assert.equal((await api.retrieve({ collection: 'tasks', key: task }))._regardingobjectid_value, one);

  api.startBatch();
  api.retrieveMultiple({ collection: 'contacts', select: ['lastname'], top: 2 });
  api.update({ collection: 'contacts', key: one, data: { firstname: 'Two' } });
  api.deleteRecord({ collection: 'tasks', key: task });
  api.retrieve({ collection: 'contacts', key: one, select: ['firstname'] });
  const answers = await api.executeBatch();
  assert.equal(answers[0].value.length, 2);
  assert.equal(answers[3].firstname, 'Two');

  api.startBatch();
  api.deleteRecord({ collection: 'contacts', key: one });
  api.create({ collection: 'contacts', data: { lastname: 'Three' } });
  const plain = await api.executeBatch({ inChangeSet: false });
  assert.equal(plain.length, 2);

  api.startBatch();
  api.create({ collection: 'contacts', data: { gendercode: 99 } });
  await assert.rejects(api.executeBatch(), (errors) => errors[0].error.code === '0x8004431a');
});

test('FetchXML with pages', async () => {
  const fetchXml = '<fetch count="10"><entity name="contact"><attribute name="lastname"/><order attribute="lastname"/></entity></fetch>';
  const page = await api.fetch({ collection: 'contacts', fetchXml, includeAnnotations: '*' });
  assert.equal(page.value.length, 10);
  const second = await api.fetch({ collection: 'contacts', fetchXml, pageNumber: page.PagingInfo.nextPage, pagingCookie: page.PagingInfo.cookie, includeAnnotations: '*' });
  assert.ok(second.value.every((row) => !page.value.some((other) => other.contactid === row.contactid)));
  const all = await api.fetchAll({ collection: 'contacts', fetchXml, includeAnnotations: '*' });
  assert.equal(all.value.length, await api.count({ collection: 'contacts' }));
  assert.equal(new Set(all.value.map((row) => row.contactid)).size, all.value.length);
});

test('functions and actions', async () => {
  assert.match((await api.callFunction({ functionName: 'WhoAmI' })).UserId, /^[0-9a-f-]{36}$/);
  assert.match((await api.callFunction('RetrieveVersion')).Version, /^9\./);
  const counts = await api.callFunction({ name: 'RetrieveTotalRecordCount', parameters: { EntityNames: ['account'] } });
  assert.equal(counts.EntityRecordCountCollection.Values.length, 1);
  const [winner, loser] = [await contact({ lastname: 'W' }), await contact({ lastname: 'L' })];
  const target = (contactid) => ({ '@odata.type': 'Microsoft.Dynamics.CRM.contact', contactid });
  await api.callAction({ actionName: 'Merge', action: { Target: target(winner), Subordinate: target(loser), PerformParentingChecks: false } });
  assert.equal((await read(loser))._masterid_value, winner);
  await assert.rejects(api.callFunction({ functionName: 'RetrieveTimestamp' }), (error) => error.status === 501);
});

test('impersonation', async () => {
  const sales = '0a11ce00-0000-4000-8000-000000000002';
  const made = await api.create({ collection: 'contacts', data: { lastname: 'S' }, impersonate: sales, returnRepresentation: true });
  assert.equal(made._createdby_value, sales);
  await assert.rejects(api.create({ collection: 'contacts', data: {}, impersonate: '11111111-1111-4111-8111-111111111111' }), (error) => error.status === 404);
});

test('definitions', async () => {
  const tables = await api.retrieveEntities({ select: ['LogicalName', 'EntitySetName'], filter: "LogicalName eq 'contact' or LogicalName eq 'account'" });
  assert.equal(tables.value.length, 2);
  const { MetadataId: key } = tables.value.find((table) => table.LogicalName === 'contact');
  assert.equal((await api.retrieveEntity({ key, select: ['LogicalName'] })).LogicalName, 'contact');
  const columns = await api.retrieveAttributes({ entityKey: key, castType: 'Microsoft.Dynamics.CRM.PicklistAttributeMetadata', select: ['LogicalName'], expand: [{ property: 'OptionSet', select: ['Options'] }] });
  assert.ok(columns.value.some((column) => column.LogicalName === 'gendercode' && column.OptionSet.Options.length === 2));
  const one = await api.retrieveAttribute({ entityKey: "LogicalName='contact'", attributeKey: "LogicalName='lastname'" });
  assert.equal(one.AttributeType, 'String');
  const relationships = await api.retrieveRelationships({ filter: "SchemaName eq 'contact_customer_accounts'" });
  assert.equal(relationships.value.length, 1);
  assert.equal((await api.retrieveRelationship({ key: relationships.value[0].MetadataId })).ReferencingEntity, 'contact');
  assert.deepEqual((await api.retrieveGlobalOptionSets()).value, []);
  assert.match(await api.retrieveCsdlMetadata(), /<EntityType Name="contact"/);
});
